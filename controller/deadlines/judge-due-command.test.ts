import { describe, expect, test } from 'vitest'
import { judgeDueCommand } from './judge-due-command.ts'

const at = (seconds: number) => new Date(seconds * 1000)
const open = {
  endedAt: null,
  outputSettled: false,
  startBy: at(100),
  deadline: at(200),
  dueAt: at(100),
}
const ended = { ...open, endedAt: at(150), dueAt: at(210) }
const lostMarginMs = 60_000

describe('a command that is looked at', () => {
  test.for([
    ['never left, and its start is over', open, 100, true, { do: 'expire' }],
    ['never left, and may still start', open, 99, true, { do: 'wait', until: at(100) }],
    ['may have left, and its start is over', open, 100, false, { do: 'wait', until: at(260) }],
    ['may have left, past its deadline only', open, 259, false, { do: 'wait', until: at(260) }],
    ['may have left, and the margin is over', open, 260, false, { do: 'lose' }],
    ['has ended, and output is missing', ended, 210, false, { do: 'settle' }],
    ['has ended, and output may still come', ended, 209, false, { do: 'wait', until: at(210) }],
    [
      'has ended with all its output',
      { ...ended, outputSettled: true },
      210,
      false,
      { do: 'wait', until: null },
    ],
  ] as const)('%s', ([, command, now, hasNeverLeft, verdict]) => {
    const facts = { now: at(now), hasNeverLeft, isUnderWay: false, lostMarginMs, since: at(0) }
    expect(judgeDueCommand(command, facts)).toEqual(verdict)
  })

  test('is being posted, and is looked at again soon', () => {
    const facts = {
      now: at(100),
      hasNeverLeft: false,
      isUnderWay: true,
      lostMarginMs,
      since: at(0),
    }
    expect(judgeDueCommand(open, facts)).toEqual({ do: 'wait', until: at(101) })
  })
})
