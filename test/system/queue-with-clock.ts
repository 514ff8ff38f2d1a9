import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { openQueueService } from '../../queue/serve-queue.ts'
import { shiftingWorld } from './shifting-world.ts'

/** A queue service as a process that can be killed, with a clock that is ahead by `--shift-ms`. */
const { values } = parseArgs({
  options: {
    database: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
    'shift-ms': { type: 'string', default: '0' },
  },
})
const world = shiftingWorld()
world.shift(Number(values['shift-ms']))
await using queue = await openQueueService(
  { database: values.database, port: Number(values.port) },
  world,
)
process.stdout.write(`${JSON.stringify({ event: 'listening', url: queue.url })}\n`)
await once(process, 'SIGTERM')
