import { realWorld } from '../../protocol/real-world.ts'
import { Assignment } from './benchmark.ts'
import { benchmarks } from './benchmarks.ts'
import { endProcessesOf } from './end-processes.ts'

/** One benchmark, in a process that `npm run bench` can end: NAME, then the assignment as JSON. The report goes back by IPC. */
const [name, assignment = ''] = process.argv.slice(2)
const settings = Assignment.parse(JSON.parse(assignment))

// `npm run bench` itself was killed: nobody else would end what runs here.
process.once('disconnect', () => {
  void endProcessesOf(settings.directory, [process.pid]).finally(() => process.exit(1))
})
const benchmark = benchmarks.find((one) => one.name === name)
if (benchmark === undefined) throw new Error(`there is no benchmark ${name}`)
const report = await benchmark.measure({ ...settings, world: realWorld() })
process.send?.(report, () => {
  process.removeAllListeners('disconnect')
  process.disconnect?.()
})
