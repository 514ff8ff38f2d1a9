import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { readControllerConfig } from '../../controller/read-config.ts'
import { type Controller, openController } from '../../controller/serve.ts'
import type { World } from '../../protocol/world.ts'

/** A controller with an embedded queue in a directory of its own, and a client of its API. */
export interface TestController extends AsyncDisposable {
  api: TestApi
  stateDirectory: string
  /** The present one; a restart makes another. */
  controller: () => Controller
  /** Stops it and starts another on the same state; the queue keeps its port. */
  restart: (differences?: Record<string, unknown>) => Promise<void>
}

/** Requests to the API, over its Unix socket. */
export interface TestApi {
  get: (path: string) => Promise<ApiAnswer>
  post: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<ApiAnswer>
  delete: (path: string) => Promise<ApiAnswer>
  raw: (
    options: Partial<Dispatcher.RequestOptions> & { path: string },
  ) => Promise<Dispatcher.ResponseData>
}

interface ApiAnswer {
  status: number
  contentType: string
  body: Record<string, unknown>
}

/** Everything on loopback and in a temporary directory; disposed of, nothing is left. */
export async function startTestController(
  world: World,
  overrides: Record<string, unknown> = {},
): Promise<TestController> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'sahara-controller-'))
  let queuePort = 0
  const open = async (differences: Record<string, unknown> = {}) => {
    const config = await readControllerConfig({
      stateDirectory,
      overrides: { queue: { embedded: { port: queuePort } }, ...overrides, ...differences },
    })
    return await openController(config, world)
  }
  let controller = await open()
  queuePort = Number(new URL(controller.queueUrl).port)
  const dispatcher = new Agent({
    connect: { socketPath: controller.socketPath },
    connections: 100,
    pipelining: 1,
  })
  return {
    api: createTestApi(dispatcher),
    stateDirectory,
    controller: () => controller,
    restart: async (differences = {}) => {
      await controller[Symbol.asyncDispose]()
      controller = await open(differences)
    },
    [Symbol.asyncDispose]: async () => {
      await dispatcher.destroy()
      await controller[Symbol.asyncDispose]()
      await rm(stateDirectory, { recursive: true, force: true })
    },
  }
}

const JsonObject = z.record(z.string(), z.unknown())

function createTestApi(dispatcher: Dispatcher): TestApi {
  const raw: TestApi['raw'] = async ({ path, ...options }) =>
    await request(`http://controller${path}`, { dispatcher, method: 'GET', ...options })
  const call = async (options: Partial<Dispatcher.RequestOptions> & { path: string }) => {
    const { statusCode, headers, body } = await raw(options)
    const text = await body.text()
    return {
      status: statusCode,
      contentType: String(headers['content-type']),
      body: text === '' ? {} : JsonObject.parse(JSON.parse(text)),
    }
  }
  return {
    raw,
    get: async (path) => await call({ path }),
    delete: async (path) => await call({ path, method: 'DELETE' }),
    post: async (path, body, headers = {}) =>
      await call({
        path,
        method: 'POST',
        ...(body === undefined
          ? { headers }
          : {
              body: typeof body === 'string' ? body : JSON.stringify(body),
              headers: { 'content-type': 'application/json', ...headers },
            }),
      }),
  }
}
