import { chmod, lstat, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { World } from '../../protocol/world.ts'
import { socketPathOf } from '../config.ts'
import { CannotListenError } from '../errors.ts'
import { makeDirectories } from '../make-directories.ts'
import type { ApiParts } from './api-parts.ts'
import { requireToken } from './bearer-token.ts'
import { buildApp } from './build-app.ts'
import { describeApi } from './describe-api.ts'
import { findGroup, openToGroup } from './open-to-group.ts'
import { allRoutes } from './routes.ts'

/** The API, once it listens. */
export interface Api extends AsyncDisposable {
  socketPath: string
  /** Such as `http://127.0.0.1:8080`; `null` when only the socket is served. */
  url: string | null
}

/**
 * Serves the API on its Unix socket (mode 0600, or 0660 for `socketGroup`: whoever may open it, may do everything), and on
 * a TCP port if one is configured, where every request must show the bearer token.
 *
 * @throws {CannotListenError | ConfigInvalidError}
 */
export async function serveApi(parts: ApiParts): Promise<Api> {
  const { config, log, world } = parts.context
  const routes = allRoutes(parts)
  const openApi = describeApi(routes)
  const socketPath = socketPathOf(config)
  await using opened = new AsyncDisposableStack()
  const local = buildApp({ routes, openApi, log, authorize: () => {} })
  opened.defer(async () => await closeApp(local, world))
  await listenOnSocket(local, socketPath, config.socketGroup)

  let url: string | null = null
  if (config.listen) {
    const { host, port, tls, tokenFile } = config.listen
    const authorize = await requireToken(tokenFile)
    const pem = tls && {
      cert: await readFile(tls.certificateFile, 'utf8'),
      key: await readFile(tls.keyFile, 'utf8'),
    }
    const remote = buildApp({ routes, openApi, log, authorize, tls: pem })
    opened.defer(async () => await closeApp(remote, world))
    url = await listen(remote, { host, port })
  }
  const open = opened.move()
  return { socketPath, url, [Symbol.asyncDispose]: async () => await open.disposeAsync() }
}

/** How long requests under way may take to end, in milliseconds; then their connections are cut. */
const closeLimitMs = 5000

async function closeApp(app: FastifyInstance, world: World): Promise<void> {
  const closed = new AbortController()
  world.sleep(closeLimitMs, closed.signal).then(
    () => app.server.closeAllConnections(),
    () => undefined,
  )
  await app.close()
  closed.abort()
}

/** The longest path that Linux takes for a socket, in bytes (unix(7): 108 with the final zero). */
const longestSocketPath = 107

async function listenOnSocket(
  app: FastifyInstance,
  path: string,
  group: string | undefined,
): Promise<void> {
  if (Buffer.byteLength(path) > longestSocketPath) {
    throw new CannotListenError(
      `the socket path ${path} is over ${longestSocketPath} bytes; set socketPath`,
    )
  }
  const gid = group === undefined ? undefined : await findGroup(group)
  const isNewDirectory = await makeDirectories(dirname(path)).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CannotListenError(`the socket ${path} has no directory: ${why}; set socketPath`, {
      cause,
    })
  })
  await removeStaleSocket(path)
  // No window in which others could connect: the socket is born with its mode.
  const before = process.umask(0o177)
  try {
    await listen(app, { path })
  } finally {
    process.umask(before)
  }
  await chmod(path, 0o600)
  if (gid === undefined) return
  if (isNewDirectory) await openToGroup(dirname(path), gid, 0o750)
  await openToGroup(path, gid, 0o660)
}

async function listen(
  app: FastifyInstance,
  address: { path: string } | { host: string; port: number },
): Promise<string> {
  try {
    return await app.listen(address)
  } catch (cause) {
    const where = 'path' in address ? address.path : `${address.host} port ${address.port}`
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CannotListenError(`cannot listen on ${where}: ${why}`, { cause })
  }
}

/** A socket that a killed controller has left there; nobody answers on it. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new CannotListenError(`${path} is there and is no socket; remove it, or set socketPath`)
  }
  if (await doesAnswer(path)) {
    throw new CannotListenError(`somebody listens on ${path}; stop it, or set socketPath`)
  }
  await rm(path, { force: true })
}

async function doesAnswer(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(path, () => resolve(true))
  socket.once('error', () => resolve(false))
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}
