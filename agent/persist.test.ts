import { expect, test } from 'vitest'
import { signUrl } from '../protocol/signed-url/sign-url.ts'
import { QueueUnavailableError, QueueUnreachableError } from '../protocol/zaqar/errors.ts'
import { fakeWorld } from '../test/fake-world.ts'
import { createLookout } from './network/lookout.ts'
import { persist } from './persist.ts'

const url = signUrl(
  {
    paths: ['/v2/queues/q/messages'],
    methods: ['POST'],
    project: 'p',
    expires: new Date('2030-01-01T12:00:00Z'),
  },
  'the key',
)
const credentials = {
  endpoint: 'http://localhost',
  claim: url,
  acknowledge: url,
  reply: url,
  lobby: url,
}
const note = () => undefined
const unused = () => {
  throw new Error('not needed here')
}

test.for([
  ['a lost connection', new QueueUnreachableError('post', 'reset', 'ECONNRESET'), 1],
  ['an answer', new QueueUnavailableError('post', '503'), 0],
] as const)('of failures, %s may tell that others are cut', async ([, failure, told]) => {
  const world = fakeWorld()
  const lookout = createLookout(world, () => 'the same')
  let count = 0
  using _watch = lookout.whenBack(() => {
    count += 1
  })
  const failures: Error[] = [failure]
  const attempt = async () => {
    const error = failures.pop()
    if (error !== undefined) throw error
  }
  const keeper = {
    credentials: () => credentials,
    enrolment: unused,
    replace: unused,
    renewed: unused,
    watch: unused,
  }
  const log = { debug: note, info: note, warn: note, error: note }
  const done = persist(
    'post',
    attempt,
    { keeper, lookout, world, log },
    new AbortController().signal,
  )
  await world.untilSleeping(1)
  await world.advance(60_000)
  await done
  expect(count).toBe(told)
})
