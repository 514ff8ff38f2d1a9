import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { z } from 'zod'

import { createKeystone, writeKeystoneConfiguration } from './create-keystone.ts'
import { createRedis } from './create-redis.ts'
import { createZaqar, writeZaqarConfiguration, type ZaqarProcesses } from './create-zaqar.ts'
import { findFreePorts } from './free-ports.ts'
import { copyKeystone, setCatalogue } from './keystone-template.ts'
import { missingZaqarPackages } from './missing-packages.ts'
import type { KeystoneAccounts } from './populate-keystone.ts'
import { PortTakenError, type Service } from './service.ts'

/** Which parts of a cloud's messaging service a test wants. */
export const ZaqarOptions = z.strictObject({
  /** Without it Zaqar authenticates nobody and believes every X-Project-ID; signed URLs are still checked. */
  keystone: z.boolean().default(true),
  /** How long a Keystone token is good, in seconds. */
  tokenLifeSeconds: z.int().min(1).max(86_400).default(3_600),
  websocket: z.boolean().default(true),
  /** `plain` is Debian's `zaqar-server` (one request at a time); a number is that many uwsgi processes. */
  workers: z.union([z.literal('plain'), z.int().min(1).max(16)]).default('plain'),
  /** With it signed URLs are minted and checked (`[signed_url] secret_key`). Random when it is not given. */
  secretKey: z
    .string()
    .regex(/^[^\s"']+$/)
    .exactOptional(),
  /** `stock` hands one message to two claimers as upstream does; `safe` keeps the promise of the API. */
  claimScript: z.enum(['stock', 'safe']).default('stock'),
  /** `max_messages_post_size`, in bytes. */
  maxPostBytes: z.int().min(1024).default(262_144),
  /** `max_message_ttl`, in seconds. */
  maxMessageTtlSeconds: z.int().min(60).default(1_209_600),
})
export type ZaqarOptions = z.output<typeof ZaqarOptions>

/** A real Zaqar on loopback. Disposing of it ends all processes and removes their files. */
export interface RealZaqar extends AsyncDisposable {
  /** Without the path `/v2`. The same over all restarts, as are all ports. */
  readonly endpoint: string
  readonly websocketEndpoint?: string
  readonly keystone?: KeystoneAccess
  readonly redis: { readonly port: number }
  /** The present `[signed_url] secret_key`. */
  secretKey: () => string
  /** Restarts Zaqar with another secret: every signed URL is dead. */
  setSecretKey: (secretKey: string) => Promise<void>
  stopZaqar: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>
  startZaqar: () => Promise<void>
  restartZaqar: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>
  stopRedis: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>
  startRedis: () => Promise<void>
  restartRedis: (how: { keepData: boolean }) => Promise<void>
  stopKeystone: () => Promise<void>
  startKeystone: () => Promise<void>
  /** All that the services have written, each under its name. */
  logs: () => string
}

interface KeystoneAccess extends KeystoneAccounts {
  /** Ends in `/v3`. */
  readonly authUrl: string
  readonly region: 'RegionOne'
}

const attempts = 4

/**
 * Starts Redis, Keystone and Zaqar from Debian's packages, on ports and in a directory of their own.
 * They end with this process, however it ends.
 *
 * @throws {Error} packages are missing (all are named), or a service did not start (its log is quoted).
 */
export async function startZaqar(options: z.input<typeof ZaqarOptions> = {}): Promise<RealZaqar> {
  const chosen = ZaqarOptions.parse(options)
  const missing = missingZaqarPackages()
  if (missing.length > 0) throw new Error(`apt-get install ${missing.join(' ')}`)
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(chosen)
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt === attempts) throw error
    }
  }
}

async function startOnce(options: ZaqarOptions): Promise<RealZaqar> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'sahara-zaqar-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const ports = await choosePorts()
  const keystone = options.keystone ? await prepareKeystone(directory, ports, options) : undefined
  const redis = createRedis(directory, ports.redis)
  const processes = { ...options, directory, ports, keystone: keystone?.forZaqar }
  let secretKey = options.secretKey ?? randomBytes(24).toString('base64url')
  writeZaqarConfiguration(processes, secretKey)
  const zaqar = createZaqar(processes)

  const others = keystone === undefined ? zaqar : [keystone.service, ...zaqar]
  const services = [redis, ...others]
  opened.defer(() => stopAll(services, 'SIGKILL'))
  // Zaqar ends at once when it meets no Redis at its start.
  await redis.start()
  await startAll(others)

  const life = opened.move()
  const restartZaqar = async (signal?: 'SIGTERM' | 'SIGKILL') => {
    await stopAll(zaqar, signal)
    await startAll(zaqar)
  }
  return {
    endpoint: `http://127.0.0.1:${ports.wsgi}`,
    ...(options.websocket && { websocketEndpoint: `ws://127.0.0.1:${ports.websocket}` }),
    ...(keystone && { keystone: keystone.access }),
    redis: { port: ports.redis },
    secretKey: () => secretKey,
    setSecretKey: async (next) => {
      writeZaqarConfiguration(processes, next)
      secretKey = next
      await restartZaqar()
    },
    stopZaqar: (signal) => stopAll(zaqar, signal),
    startZaqar: () => startAll(zaqar),
    restartZaqar,
    stopRedis: (signal) => redis.stop(signal),
    startRedis: () => redis.start(),
    restartRedis: async ({ keepData }) => {
      await redis.stop()
      if (!keepData) redis.loseData()
      await redis.start()
    },
    stopKeystone: async () => keystone?.service.stop(),
    startKeystone: async () => keystone?.service.start(),
    logs: () => services.map(({ name, log }) => `=== ${name}\n${log()}`).join('\n'),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  }
}

type Ports = ZaqarProcesses['ports'] & { keystone: number }

async function choosePorts(): Promise<Ports> {
  const [redis = 0, keystone = 0, wsgi = 0, websocket = 0, notification = 0] =
    await findFreePorts(5)
  return { redis, keystone, wsgi, websocket, notification }
}

interface PreparedKeystone {
  service: Service
  access: KeystoneAccess
  forZaqar: NonNullable<ZaqarProcesses['keystone']>
}

async function prepareKeystone(
  directory: string,
  ports: Ports,
  { tokenLifeSeconds, websocket }: ZaqarOptions,
): Promise<PreparedKeystone> {
  const url = `http://127.0.0.1:${ports.keystone}`
  const accounts = await copyKeystone(directory)
  writeKeystoneConfiguration(directory, tokenLifeSeconds)
  setCatalogue(directory, {
    identity: `${url}/v3`,
    messaging: `http://127.0.0.1:${ports.wsgi}`,
    ...(websocket && { 'messaging-websocket': `ws://127.0.0.1:${ports.websocket}` }),
  })
  return {
    service: createKeystone(directory, ports.keystone),
    access: { ...accounts, authUrl: `${url}/v3`, region: 'RegionOne' },
    forZaqar: { url, password: accounts.users.zaqar.password },
  }
}

async function startAll(services: readonly Service[]): Promise<void> {
  await Promise.all(services.map((service) => service.start()))
}

async function stopAll(
  services: readonly Service[],
  signal?: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  await Promise.all(services.map((service) => service.stop(signal)))
}
