import { z } from 'zod'
import type { OutputStream } from '../../../protocol/messages/replies.ts'
import type {
  CancelRequest,
  LeftOut,
  NewCluster,
  NewCommand,
  UserDataRequest,
} from '../../api/resources.ts'
import {
  Cluster,
  CommandRecord,
  CommandsOnAll,
  ControllerStatus,
  Instance,
  OutputLine,
  StoredContent,
  UserData,
} from '../../api/resources.ts'
import { ControllerReplyUnparsableError } from '../errors.ts'
import type { Target } from '../options/target.ts'
import type { Terminal } from '../terminal.ts'
import type { Answer, ApiConnection, ApiRequest } from './api-connection.ts'
import { connectApi } from './api-connection.ts'
import type { ConnectionOptions } from './controller-address.ts'
import { findController } from './controller-address.ts'
import { splitLines } from './split-lines.ts'

/** The controller's API (controller/api/resources.ts). Every call throws as `ApiConnection.exchange` does. */
export type ApiClient = ReturnType<typeof createApiClient> & AsyncDisposable

/** An instance of a cluster, both by name or id. */
interface InstanceTarget {
  cluster: string
  instance: string
}

/** Which commands to list. */
interface CommandFilter {
  cluster?: string | undefined
  instance?: string | undefined
  state?: string | undefined
  limit?: number | undefined
  before?: string | undefined
}

/** From where on output is wanted, and whether to wait for more until the command's end. */
interface OutputRange {
  offset?: number
  follow?: boolean
  signal?: AbortSignal | undefined
}

/** Finds the controller and makes a client of it; connects at the first call. */
export async function openApiClient(
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ApiClient> {
  const connection = connectApi(await findController(options, terminal))
  return {
    ...createApiClient(connection),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

/** Longest line of output that is read: one chunk (180 KiB) in base64 and what places it, with room to spare. */
const outputLineLimitBytes = 1024 ** 2

/** Seconds that one request may wait for a command's end; the API allows 300. */
const waitSeconds = 60

const Clusters = z.object({ clusters: z.array(Cluster) })
const Instances = z.object({ instances: z.array(Instance) })
const Commands = z.object({ commands: z.array(CommandRecord) })

export function createApiClient(connection: ApiConnection) {
  const { exchange, send, stream } = connection
  return {
    status: () => exchange(ControllerStatus, { path: ['status'] }),

    createCluster: (body: z.input<typeof NewCluster>) =>
      exchange(Cluster, { method: 'POST', path: ['clusters'], json: body }),
    listClusters: () => exchange(Clusters, { path: ['clusters'] }),
    getCluster: (cluster: string) => exchange(Cluster, { path: ['clusters', cluster] }),
    deleteCluster: (cluster: string) => send({ method: 'DELETE', path: ['clusters', cluster] }),
    renderUserData: (cluster: string, body: z.input<typeof UserDataRequest>) =>
      exchange(UserData, { method: 'POST', path: ['clusters', cluster, 'user-data'], json: body }),

    listInstances: (cluster: string) =>
      exchange(Instances, { path: ['clusters', cluster, 'instances'] }),
    getInstance: (target: InstanceTarget) => exchange(Instance, { path: instancePath(target) }),
    forgetInstance: (target: InstanceTarget) =>
      send({ method: 'DELETE', path: instancePath(target) }),
    allowEnrolment: (target: InstanceTarget) =>
      exchange(Instance, { method: 'POST', path: [...instancePath(target), 'allow-enrolment'] }),
    disallowEnrolment: (target: InstanceTarget) =>
      exchange(Instance, { method: 'DELETE', path: [...instancePath(target), 'allow-enrolment'] }),

    storeContent: (bytes: AsyncIterable<Uint8Array>) =>
      exchange(StoredContent, {
        method: 'POST',
        path: ['contents'],
        bytes,
        // The answer begins only when the last byte has been taken.
        headersTimeoutMs: 0,
      }),
    /**
     * One command for the named instance, or one for each of the cluster's. With an idempotency key the post may be
     * repeated after a lost answer.
     */
    postCommand: (target: Target, body: z.input<typeof NewCommand>, idempotencyKey?: string) =>
      postCommand(connection, target, body, idempotencyKey),
    listCommands: (filter: CommandFilter) =>
      exchange(Commands, { path: ['commands'], query: { ...filter } }),
    /** With `wait`, answers at the command's end, or after `waitSeconds` with what is known then. */
    getCommand: (
      id: string,
      { wait = false, signal }: { wait?: boolean; signal?: AbortSignal } = {},
    ) =>
      exchange(CommandRecord, {
        path: ['commands', id],
        query: { wait: wait ? waitSeconds : undefined },
        headersTimeoutMs: (waitSeconds + 60) * 1000,
        signal,
      }),
    cancelCommand: (id: string, body: z.input<typeof CancelRequest> = {}) =>
      exchange(CommandRecord, { method: 'POST', path: ['commands', id, 'cancel'], json: body }),
    /** At most `chunkLimitBytes` at once; answers with the `stdin` command. */
    feedStdin: (id: string, offset: number, bytes: Uint8Array, end: boolean) =>
      exchange(CommandRecord, {
        method: 'POST',
        path: ['commands', id, 'stdin'],
        query: { offset, end },
        bytes,
      }),

    outputLines: (id: string, range: OutputRange = {}) =>
      outputLines(connection, outputRequest(id, range)),
    /** One stream's bytes alone; `offset` counts in that stream. */
    outputBytes: (id: string, from: OutputStream, range: OutputRange = {}) => {
      const wanted = outputRequest(id, range)
      return stream({ ...wanted, query: { ...wanted.query, stream: from } })
    },
  }
}

function instancePath({ cluster, instance }: InstanceTarget): string[] {
  return ['clusters', cluster, 'instances', instance]
}

async function postCommand(
  { exchange }: ApiConnection,
  { cluster, instance }: Target,
  json: z.input<typeof NewCommand>,
  idempotencyKey: string | undefined,
): Promise<Answer<CommandRecord[]> & { leftOut: readonly LeftOut[] }> {
  if (instance === undefined) {
    const path = ['clusters', cluster, 'commands']
    const { value, text } = await exchange(CommandsOnAll, {
      method: 'POST',
      path,
      json,
      idempotencyKey,
    })
    return { value: value.commands, text, leftOut: value.leftOut }
  }
  const path = [...instancePath({ cluster, instance }), 'commands']
  const { value, text } = await exchange(CommandRecord, {
    method: 'POST',
    path,
    json,
    idempotencyKey,
  })
  return { value: [value], text, leftOut: [] }
}

function outputRequest(
  id: string,
  { offset = 0, follow = false, signal }: OutputRange,
): ApiRequest {
  return { path: ['commands', id, 'output'], query: { offset, follow }, signal }
}

async function* outputLines(
  { stream }: ApiConnection,
  wanted: ApiRequest,
): AsyncGenerator<Answer<z.output<typeof OutputLine>>, void> {
  for await (const text of splitLines(stream(wanted), outputLineLimitBytes)) {
    const parsed = OutputLine.safeParse(parseLine(text))
    if (!parsed.success) {
      throw new ControllerReplyUnparsableError(
        `the controller's output has a line that this version does not know: ${JSON.stringify(text.slice(0, 128))}`,
      )
    }
    yield { value: parsed.data, text }
  }
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
