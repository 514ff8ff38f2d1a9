import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openQueueService } from '../../queue/serve-queue.ts'
import { shiftingWorld } from './shifting-world.ts'

/**
 * A queue service as a process that can be killed, with a clock that is ahead by what `--clock` (a file) says, in
 * milliseconds. SIGUSR2 has it read that file again.
 */
const { values } = parseArgs({
  options: {
    database: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
    clock: { type: 'string', default: '' },
  },
})
const world = shiftingWorld()
let shiftedMs = 0
function readClock(): number {
  const wantedMs = Number(readFileSync(values.clock, 'utf8'))
  world.shift(wantedMs - shiftedMs)
  shiftedMs = wantedMs
  return wantedMs
}
readClock()
process.on('SIGUSR2', () => say({ event: 'shifted', aheadMs: readClock() }))
await using queue = await openQueueService(
  { database: values.database, port: Number(values.port) },
  world,
)
say({ event: 'listening', url: queue.url })
await once(process, 'SIGTERM')

function say(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}
