import { pino } from 'pino'
import { z } from 'zod'
import { ConfigInvalidError } from '../protocol/errors.ts'
import { realWorld } from '../protocol/real-world.ts'
import { openQueueService } from './serve-queue.ts'

/** What the program has of its process. */
export type Process = Pick<NodeJS.Process, 'stdout' | 'stderr' | 'once'>

/** The flags of `sahara-queue serve`, as commander hands them over. */
export const ServeFlags = z.strictObject({
  port: z.string(),
  host: z.string(),
  database: z.string(),
  auth: z.enum(['token', 'none']),
  tokenFile: z.string().exactOptional(),
  tlsCert: z.string().exactOptional(),
  tlsKey: z.string().exactOptional(),
  json: z.boolean().default(false),
  logLevel: z.string(),
})
export type ServeFlags = z.output<typeof ServeFlags>

/** Serves until SIGTERM or SIGINT; says on stdout, in one line, when it is ready and where. */
export async function serveUntilStopped(flags: ServeFlags, process: Process): Promise<void> {
  const stopped = untilSignal(process)
  const log = pino({ level: flags.logLevel }, pino.destination({ dest: 2, sync: true }))
  await using service = await openQueueService(toOptions(flags), realWorld(), log)
  process.stdout.write(readyLine(service.url, flags.json))
  log.info({ url: service.url, database: flags.database }, 'listening')
  log.info({ signal: await stopped }, 'stopping')
}

function toOptions(flags: ServeFlags) {
  const { host, database, auth, tokenFile } = flags
  const port = readPort('--port', flags.port)
  const tls = readTls(flags)
  return {
    host,
    port,
    database,
    auth,
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(tls === undefined ? {} : { tls }),
  }
}

/** @throws {ConfigInvalidError} naming the flag. */
export function readPort(flag: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw new ConfigInvalidError(`${flag} must be a number from 0 to 65535, not "${text}"`)
}

/** @throws {ConfigInvalidError} there is only one of the two. */
export function readTls({ tlsCert, tlsKey }: Pick<ServeFlags, 'tlsCert' | 'tlsKey'>) {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert !== undefined && tlsKey !== undefined) return { certFile: tlsCert, keyFile: tlsKey }
  throw new ConfigInvalidError('--tls-cert and --tls-key go together; give both or none')
}

function readyLine(url: string, asJson: boolean): string {
  return asJson
    ? `${JSON.stringify({ event: 'listening', url })}\n`
    : `sahara-queue is listening on ${url}\n`
}

/** Resolves with the first signal to stop. A second one takes its default effect: it ends the process at once. */
export async function untilSignal(process: Process): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  process.once('SIGTERM', resolve)
  process.once('SIGINT', resolve)
  return promise
}
