import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { createQueueFailures } from './queue-failures.ts'

describe('what fails at the queue service', () => {
  const unreachable = 'ERR_QUEUE_UNREACHABLE'
  const refused = 'ERR_SIGNED_URL_REFUSED'

  test('is told from its first failure on', async () => {
    const world = fakeWorld()
    const failures = createQueueFailures(() => 'credentials', world)
    const since = world.now()
    failures.note('claim', unreachable)
    await world.advance(60_000)
    failures.note('claim', 'ERR_QUEUE_UNAVAILABLE')
    expect(failures.now()).toEqual([{ action: 'claim', code: 'ERR_QUEUE_UNAVAILABLE', since }])
  })

  test.for([
    ['an outage', unreachable, 'claim', 'ok', []],
    ['an outage, though another request got through', unreachable, 'post', 'ok', []],
    ['a refusal', refused, 'claim', 'ok', []],
    ['a refusal, and nothing else', refused, 'post', 'ok', ['claim']],
    ['both', unreachable, 'post', unreachable, ['claim', 'post']],
  ] as const)('ends with a success: %s', ([, first, action, outcome, left]) => {
    const failures = createQueueFailures(() => 'credentials', fakeWorld())
    failures.note('claim', first)
    failures.note(action, outcome)
    expect(failures.now().map((one) => one.action)).toEqual(left)
  })

  test('is over for a refusal, and not for an outage, when there are new credentials', () => {
    let credentials = {}
    const failures = createQueueFailures(() => credentials, fakeWorld())
    failures.note('claim', refused)
    failures.note('post', unreachable)
    credentials = {}
    expect(failures.now().map(({ action }) => action)).toEqual(['post'])
  })
})
