import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startProgram } from '../system/start-program.ts'
import { waitFor } from '../system/wait-for.ts'
import { endProcessesOf } from './end-processes.ts'
import { measureApart } from './measure-apart.ts'
import { Report } from './report.ts'

const Document = z.looseObject({
  reports: z.array(Report),
  failed: z.array(z.looseObject({ name: z.string(), reason: z.string() })),
})
const shortest = { budgetMs: 100, agents: [1], waiting: [1], mebibytes: [1] }
const patienceMs = 400_000
const main = new URL('main.ts', import.meta.url).pathname

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bench-test-'))
})
afterEach(async () => {
  endProcessesOf(directory)
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
})

// The one that needs neither agents nor foreign programs: starting those takes minutes where other tests run beside it.
describe('npm run bench, as short as can be', () => {
  test.for([['agents', ['1 waiting: post to message in hand', '3 waiting: processor']]] as const)(
    'measures %s, and leaves nothing behind',
    { timeout: patienceMs },
    async ([name, whats]) => {
      const json = join(directory, 'figures.json')
      const sizes = ['--seconds', '0.1', '--waiting', '1,3']
      const words = [main, name, ...sizes, '--directory', directory, '--json', json]
      const { stderr } = await execa(process.execPath, words)
      expect(stderr).not.toContain('ended')
      const { reports, failed } = Document.parse(JSON.parse(await readFile(json, 'utf8')))
      expect(failed).toEqual([])
      const measured = reports.flatMap(({ rows }) => rows.map(({ what }) => what))
      expect(measured).toEqual(expect.arrayContaining([...whats]))
      expect(await readdir(directory)).toEqual(['figures.json'])
    },
  )

  test('says which one was interrupted, and ends what it had begun', {
    timeout: patienceMs,
  }, async () => {
    const json = join(directory, 'figures.json')
    const words = ['agents', '--directory', directory, '--json', json]
    const program = startProgram('test/bench/main.ts', words)
    await waitFor('its queue service', async () => (await readdir(directory)).length > 0)
    await program.stop('SIGINT')
    expect(await program.exited).toBe(130)
    const { failed } = Document.parse(JSON.parse(await readFile(json, 'utf8')))
    expect(failed).toEqual([{ name: 'agents', reason: 'was interrupted' }])
    expect(await readdir(directory)).toEqual(['figures.json'])
    expect(endProcessesOf(`${directory}/`)).toBe(0)
  })
})

describe('a benchmark in a process of its own', () => {
  test('is ended when its time is over, with all that it has started', {
    timeout: patienceMs,
  }, async () => {
    // It wants two seconds for a collection of garbage alone.
    const limits = { capMs: 1500.5, signal: new AbortController().signal }
    const { problem } = await measureApart('agents', directory, shortest, limits)
    expect(problem).toContain('was ended: it hung, or needed more than')
    expect(await readdir(directory)).toEqual([])
  })

  test('that fails says so', { timeout: patienceMs }, async () => {
    const limits = { capMs: patienceMs, signal: new AbortController().signal }
    const ended = await measureApart('no-such', directory, shortest, limits)
    expect(ended).toEqual({ report: undefined, problem: 'failed (exit code 1)' })
  })
})
