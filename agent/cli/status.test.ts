import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { createStatusBoard } from '../status/status-board.ts'
import { describeStatus } from './status.ts'

test('sahara-agent status says what the queue service does not do, and since when', () => {
  const board = createStatusBoard('/nowhere', fakeWorld())
  board.notePoll({ answered: true, waited: true, pauseMs: 0 })
  const shown = () => describeStatus({ ...board.read(), endpoint: 'http://queue' })
  expect(shown()).toMatch(/^queue service: {6}http:\/\/queue$/m)
  expect(shown()).toMatch(/^polling: +held open/m)
  board.noteRequest('claim', 'ERR_QUEUE_UNREACHABLE')
  expect(shown()).toMatch(
    /^queue service: .*; claim FAILS since 2030-01-01T00:00:00.000Z \(ERR_QUEUE_UNREACHABLE\)$/m,
  )
  expect(shown()).toMatch(/^polling: +FAILS; it is tried again$/m)
  board.noteRequest('post', 'ok')
  expect(shown()).not.toContain('FAILS')
})
