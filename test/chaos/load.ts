import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandRecord } from '../../controller/api/resources.ts'
import { ControllerRefusedError, ControllerUnreachableError } from '../../controller/cli/errors.ts'
import { type ChaosCluster, clusterName } from './chaos-cluster.ts'
import { type PlannedCommand, toRequest } from './planned-command.ts'

/** A command that has ended, as the controller tells it. */
export interface Ended {
  command: PlannedCommand
  record: CommandRecord
  stdout: Buffer
  /** When it was posted, by a clock that never jumps. */
  postedMs: number
}

export interface LoadOptions {
  /** Open commands of one instance at once. */
  window: number
  onEnded: (ended: Ended) => void
  signal: AbortSignal
}

/** Posts all commands, each instance's in order, and sees each to its end. */
export async function carryLoad(
  cluster: ChaosCluster,
  commands: readonly PlannedCommand[],
  options: LoadOptions,
): Promise<void> {
  const lines = cluster.guests.map((_, instance) =>
    commands.filter((command) => command.instance === instance),
  )
  const workers = lines.flatMap((line) =>
    Array.from({ length: options.window }, async () => {
      for (let next = line.shift(); next; next = line.shift()) {
        options.signal.throwIfAborted()
        await seeToEnd(cluster, next, options)
      }
    }),
  )
  await Promise.all(workers)
}

/** Posts a command, and waits for its end and its output. */
export async function seeToEnd(
  cluster: ChaosCluster,
  command: PlannedCommand,
  { onEnded, signal }: Pick<LoadOptions, 'onEnded' | 'signal'>,
): Promise<void> {
  const { api, guests } = cluster
  const guest = guests[command.instance]
  if (!guest) throw new Error(`there is no instance ${command.instance}`)
  const target = { cluster: clusterName, instance: guest.guest.name }
  const request = toRequest(command, guest.effects)
  const postedMs = performance.now()
  const [posted] = await insist(() => api.postCommand(target, request, keyOf(command)), signal)
  if (!posted) throw new Error('no command was made')
  if (command.kind === 'cancel') {
    await sleep(command.lines * 40, undefined, { signal })
    await insist(() => api.cancelCommand(posted.id, { graceSeconds: 1 }), signal)
  }
  const record = await waitForEnd(api, posted.id, signal)
  const stdout = await insist(
    async () => ({ value: await readStdout(api, record.id, signal) }),
    signal,
  )
  onEnded({ command, record, stdout, postedMs })
}

/** Its end, and a moment more for output that came late. */
async function waitForEnd(
  api: ChaosCluster['api'],
  id: string,
  signal: AbortSignal,
): Promise<CommandRecord> {
  let patience = 600
  for (;;) {
    const record = await insist(() => api.getCommand(id, { wait: true, signal }), signal)
    if (!record.ended) continue
    if (record.outputComplete || !record.result || patience === 0) return record
    patience -= 1
    await sleep(100, undefined, { signal })
  }
}

async function readStdout(
  api: ChaosCluster['api'],
  id: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of api.outputBytes(id, 'stdout', { signal })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Asks again while the controller is down; what it refuses is an error. */
export async function insist<T>(ask: () => Promise<{ value: T }>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return (await ask()).value
    } catch (error) {
      signal.throwIfAborted()
      const isDown =
        error instanceof ControllerUnreachableError ||
        (error instanceof ControllerRefusedError && error.status >= 500)
      if (!isDown) throw error
      await sleep(100, undefined, { signal })
    }
  }
}

/** A post may be repeated after a lost answer: the same key, the same command. */
function keyOf({ serial }: PlannedCommand): string {
  return createHash('sha256').update(`chaos ${serial}`).digest('hex')
}
