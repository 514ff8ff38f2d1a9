import { rmSync } from 'node:fs'
import { realWorld } from '../../protocol/real-world.ts'
import { Assignment } from './benchmark.ts'
import { benchmarks } from './benchmarks.ts'
import { endProcessesOf } from './end-processes.ts'
import type { Report } from './report.ts'

/** One benchmark, in a process that `npm run bench` can end: NAME, then the assignment as JSON. The report goes back by IPC. */
const [name, assignment = ''] = process.argv.slice(2)
const settings = Assignment.parse(JSON.parse(assignment))

// `npm run bench` itself was killed: nobody else would end what runs here.
process.once('disconnect', () => {
  endProcessesOf(settings.directory, [process.pid])
  rmSync(settings.directory, { recursive: true, force: true, maxRetries: 5 })
  process.exit(1)
})
const benchmark = benchmarks.find((one) => one.name === name)
if (benchmark === undefined) throw new Error(`there is no benchmark ${name}`)
const keep = (report: Report) => {
  process.send?.(report)
}
const report = await benchmark.measure({ ...settings, world: realWorld(), keep })
process.send?.(report, () => {
  process.removeAllListeners('disconnect')
  process.disconnect?.()
})
