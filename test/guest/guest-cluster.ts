import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { createApiClient } from '../../controller/cli/api/api-client.ts'
import { connectApi } from '../../controller/cli/api/api-connection.ts'
import { type CliResult, startSystem } from '../system/start-system.ts'
import { openOwnQueue } from '../system/system-queue.ts'
import { waitFor } from '../system/wait-for.ts'

/** A controller with a cluster, for guests that reach its queue service under another address than it has here. */
export interface GuestCluster {
  directory: string
  queueUrl: string
  cli: (...words: string[]) => Promise<CliResult>
  renderUserData: (instance: string, format: 'cloud-config' | 'script') => Promise<string>
  /** Runs sh on an instance and returns its standard output; throws unless it exits with 0. */
  sh: (instance: string, script: string) => Promise<string>
  /** Begins a command and returns its id. */
  begin: (instance: string, script: string) => Promise<string>
  /** Waits for a command's end and returns how it ended: its status. */
  end: (id: string) => Promise<string>
  waitUntilEnrolled: (instance: string, patienceMs: number) => Promise<void>
  [Symbol.asyncDispose]: () => Promise<void>
}

const Detached = z.looseObject({ id: z.uuid() })
const Ended = z.looseObject({ state: z.string() })

export async function startGuestCluster(advertisedUrl: string): Promise<GuestCluster> {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'sahara-guest-'))
  stack.defer(async () => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  const system = stack.use(
    await startSystem(join(directory, 'system'), {}, async (path) => {
      const queue = await openOwnQueue(path)
      return { ...queue, settings: { ...queue.settings, advertisedUrl } }
    }),
  )
  // A look every few milliseconds must cost little: a guest in software emulation needs the processor.
  const api = createApiClient(
    stack.use(connectApi({ kind: 'socket', socketPath: system.socketPath })),
  )
  const cli = async (...words: string[]) => system.cli(words)
  const must = async (...words: string[]) => {
    const done = await cli(...words)
    if (done.exitCode === 0) return done.stdout
    throw new Error(`${words.join(' ')}: exit code ${done.exitCode}\n${done.stderr}${done.stdout}`)
  }
  await must('cluster', 'create', 'test')
  const rest = stack.move()
  return {
    directory,
    queueUrl: system.queue.url,
    cli,
    renderUserData: async (instance, format) =>
      must('user-data', 'test', '--instance', instance, '--format', format),
    sh: async (instance, script) => must('run', `test/${instance}`, '--', 'sh', '-c', script),
    begin: async (instance, script) => {
      const words = ['run', `test/${instance}`, '--detach', '--json', '--', 'sh', '-c', script]
      return Detached.parse(JSON.parse(await must(...words))).id
    },
    end: async (id) => {
      const { stdout } = await cli('command', 'wait', id, '--json')
      return Ended.parse(JSON.parse(stdout)).state
    },
    waitUntilEnrolled: async (instance, patienceMs) =>
      waitFor(
        `${instance} to enrol`,
        async () => {
          const { value } = await api.listInstances('test')
          return value.instances.some(
            ({ name, state }) => name === instance && state === 'enrolled',
          )
        },
        patienceMs,
      ),
    [Symbol.asyncDispose]: async () => rest.disposeAsync(),
  }
}
