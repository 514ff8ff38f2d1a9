import { describe, expect, test } from 'vitest'
import type { Result } from '../../protocol/messages/replies.ts'
import { fitResult } from './command-replies.ts'

function aResult(differences: Partial<Result> = {}): Result {
  return {
    state: 'succeeded',
    endedAt: new Date('2030-01-01T00:00:00Z'),
    outputBytes: 3,
    streams: {},
    survivors: [],
    answer: {},
    ...differences,
  }
}

const headers = Array.from({ length: 50 }, (_, index) => [`name-${index}`, 'value'])

describe('a result that no POST can carry', () => {
  test('keeps what is short of its answer, as the status of an HTTP answer, and says what it leaves out', () => {
    const result = aResult({ answer: { status: 204, reason: 'No Content', headers } })
    expect(fitResult(result, 1000)).toEqual({
      ...result,
      answer: { status: 204, reason: 'No Content', omitted: expect.stringContaining('too large') },
    })
  })

  test('keeps its state and its output’s size, whatever else has to go', () => {
    const survivors = [{ pid: 1, program: 'x'.repeat(256) }]
    const reason = { code: 'exit', message: 'm'.repeat(4000) }
    const long = aResult({
      state: 'failed',
      exitCode: 3,
      reason,
      rule: 'r'.repeat(1024),
      survivors,
    })
    const fitting = fitResult(long, 600)
    expect(JSON.stringify(fitting).length).toBeLessThan(600)
    expect(fitting).toMatchObject({ state: 'failed', exitCode: 3, outputBytes: 3, answer: {} })
    expect(fitting.reason?.code).toBe('exit')
    expect(fitResult(fitting, 10)).toEqual(fitting)
  })

  test('is not touched where there is room', () => {
    const result = aResult({ answer: { headers } })
    expect(fitResult(result, 184_320)).toBe(result)
  })
})
