#!/usr/bin/env node
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reportOutcome } from './report-outcome.ts'
import { runChaos } from './run-chaos.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    commands: { type: 'string', default: '1000' },
    faults: { type: 'string', default: '100' },
    instances: { type: 'string', default: '3' },
    window: { type: 'string', default: '16' },
    minutes: { type: 'string', default: '25' },
    keep: { type: 'boolean', default: false },
  },
})
const isRoot = process.getuid?.() === 0
const directory = await mkdtemp(join(tmpdir(), 'sahara-chaos-'))
process.stdout.write(
  `npm run chaos -- --seed ${values.seed} --commands ${values.commands} --faults ${values.faults} --instances ${values.instances} --window ${values.window}\n`,
)
if (!isRoot) process.stdout.write('Skipped: full-disk (only root can mount a small disk).\n')

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error(`${signal} came`)))
}
const everyMs = 10_000
let nextWordMs = performance.now() + everyMs
const outcome = await runChaos(directory, {
  seed: Number(values.seed),
  commands: Number(values.commands),
  faults: Number(values.faults),
  instances: Number(values.instances),
  window: Number(values.window),
  minutes: Number(values.minutes),
  stop: stop.signal,
  without: isRoot ? [] : ['full-disk'],
  onProgress: (ended, faults) => {
    if (performance.now() < nextWordMs) return
    nextWordMs += everyMs
    process.stdout.write(
      `${ended} of ${values.commands} commands, ${faults} of ${values.faults} faults\n`,
    )
  },
})
process.stdout.write(reportOutcome(outcome))
if (values.keep) process.stdout.write(`Kept: ${directory}\n`)
else await rm(directory, { recursive: true, force: true, maxRetries: 5 })
process.exit(outcome.problems.length === 0 ? 0 : 1)
