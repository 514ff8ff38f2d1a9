import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Ending, judgeEnding } from './judge-ending.ts'
import { planChaos } from './plan.ts'
import { expectedOutput, type PlannedCommand } from './planned-command.ts'
import { reportOutcome } from './report-outcome.ts'
import { runChaos } from './run-chaos.ts'

const options = {
  seed: 4,
  commands: 150,
  faults: 18,
  instances: 2,
  without: ['full-disk'],
} as const

test('under every kind of fault nothing is lost, nothing happens twice, and every command ends once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sahara-chaos-'))
  try {
    const stop = new AbortController().signal
    const outcome = await runChaos(directory, { ...options, window: 12, minutes: 4, stop })
    expect(outcome.problems, reportOutcome(outcome)).toEqual([])
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}, 300_000)

describe('a seed', () => {
  test('repeats commands and faults, and another one does not', () => {
    expect(planChaos(options)).toEqual(planChaos(options))
    expect(planChaos({ ...options, seed: 5 })).not.toEqual(planChaos(options))
  })

  test('draws each kind of fault at least once', () => {
    const kinds = new Set(planChaos(options).faults.map(({ kind }) => kind))
    expect(kinds.size).toBe(17)
  })
})

describe('the judge', () => {
  const command: PlannedCommand = {
    serial: 3,
    kind: 'quick',
    instance: 0,
    lines: 2,
    sleepMs: 0,
    lane: undefined,
  }
  const right: Ending = {
    state: 'succeeded',
    stateLater: 'succeeded',
    exitCode: 0,
    reason: undefined,
    outputComplete: true,
    stdout: expectedOutput(command),
    effects: 1,
    disturbances: new Set(),
  }
  const nothing = Buffer.alloc(0)
  const killed = new Set(['runner-killed'] as const)

  test.for<[string, Partial<Ending>, RegExp | undefined]>([
    ['a command that did what was asked', {}, undefined],
    ['two effects', { effects: 2 }, /took effect 2 times/],
    ['a success without an effect', { effects: 0 }, /took no effect/],
    ['missing output', { stdout: nothing }, /printed 0 bytes/],
    ['output that is not known to be whole', { outputComplete: false }, /never became complete/],
    ['a second final state', { stateLater: 'failed' }, /is failed later/],
    ['a lost one', { state: 'lost', stateLater: 'lost', stdout: nothing }, /is lost/],
    [
      'a success that says so, with output lost on a full disk',
      { stdout: nothing, reason: 'no-space', disturbances: new Set(['disk-full'] as const) },
      /printed 0 bytes/,
    ],
    ['an interruption for no reason', { state: 'interrupted' }, /instead of succeeded/],
    [
      'an interruption by a killed runner',
      { state: 'interrupted', stateLater: 'interrupted', disturbances: killed, effects: 0 },
      undefined,
    ],
    [
      'an effect of a refused one',
      { state: 'refused', stateLater: 'refused', stdout: nothing },
      /and took effect/,
    ],
  ])('knows %s', ([, difference, problem]) => {
    const problems = judgeEnding(command, { ...right, ...difference }).join('; ')
    if (problem) expect(problems).toMatch(problem)
    else expect(problems).toBe('')
  })

  test('excuses missing output of a planned failure only where its result names a full disk', () => {
    const failing = { ...command, kind: 'fail' } as const
    const failed = { ...right, state: 'failed', stateLater: 'failed', exitCode: 3 } as const
    const disturbances = new Set(['disk-full'] as const)
    const lost = { ...failed, stdout: nothing, disturbances }
    expect(judgeEnding(failing, { ...lost, reason: 'no-space' })).toEqual([])
    expect(judgeEnding(failing, lost).join()).toMatch(/printed 0 bytes/)
  })
})
