import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { pino } from 'pino'
import { z } from 'zod'
import { ConfigInvalidError } from '../../protocol/errors.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { type Process, readPort, readTls, untilSignal } from '../serve-command.ts'
import type { GatewayOptions } from './gateway-options.ts'
import { type Gateway, openGateway } from './open-gateway.ts'

/** The flags of `sahara-queue gateway`, as commander hands them over. */
export const GatewayFlags = z.strictObject({
  upstream: z.string(),
  upstreamCa: z.string().exactOptional(),
  port: z.string(),
  host: z.string(),
  tlsCert: z.string().exactOptional(),
  tlsKey: z.string().exactOptional(),
  notifyPort: z.string(),
  notifyHost: z.string(),
  lookAgain: z.string(),
  json: z.boolean().default(false),
  logLevel: z.string(),
})
export type GatewayFlags = z.output<typeof GatewayFlags>

/** Holds claims until SIGTERM or SIGINT; says on stdout, in one line, when it is ready and where. */
export async function serveGatewayUntilStopped(
  flags: GatewayFlags,
  process: Process,
): Promise<void> {
  const stopped = untilSignal(process)
  const log = pino({ level: flags.logLevel }, pino.destination({ dest: 2, sync: true }))
  await using gateway = await openGateway(await toOptions(flags), realWorld(), log)
  const { url, notifyUrl } = gateway
  if (flags.tlsCert === undefined && !isLoopback(flags.host)) {
    log.warn(
      { host: flags.host },
      'without TLS, signed URLs can be read on the way; give --tls-cert',
    )
  }
  process.stdout.write(readyLine(gateway, flags.json))
  log.info({ url, notifyUrl, upstream: flags.upstream }, 'listening')
  log.info({ signal: await stopped }, 'stopping')
}

async function toOptions(flags: GatewayFlags): Promise<z.input<typeof GatewayOptions>> {
  const { upstream, upstreamCa, host, notifyHost } = flags
  const tls = readTls(flags)
  return {
    upstream,
    ...(upstreamCa === undefined
      ? {}
      : { upstreamCertificateAuthority: await readCertificates(upstreamCa) }),
    host,
    port: readPort('--port', flags.port),
    ...(tls === undefined ? {} : { tls }),
    notifyHost,
    notifyPort: readPort('--notify-port', flags.notifyPort),
    lookAgainSeconds: Number(flags.lookAgain),
  }
}

async function readCertificates(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigInvalidError(`cannot read the certificates of --upstream-ca: ${why}`, { cause })
  }
}

function readyLine({ url, notifyUrl }: Gateway, asJson: boolean): string {
  return asJson
    ? `${JSON.stringify({ event: 'listening', url, notifyUrl })}\n`
    : `the gateway listens on ${url}, and for notifications on ${notifyUrl}\n`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}
