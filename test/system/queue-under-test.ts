import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { QueueLimits } from '../../queue/queue-options.ts'
import { openQueueService, type QueueService } from '../../queue/serve-queue.ts'
import { shiftingWorld } from './shifting-world.ts'
import { type Program, startProgram } from './start-program.ts'

/** The queue service of a test, whose clock the test may move. */
export interface QueueUnderTest {
  url: string
  /** How the controller gets in: of the `queue` of its configuration, all but the URLs. */
  settings: Readonly<Record<string, unknown>>
  /** What the controller's process needs in its environment. */
  environment?: Readonly<Record<string, string>>
  /** Moves its clock forward, past the end of claims that somebody took with him when he was killed. */
  shift: (ms: number) => Promise<void>
  /** Ends it (as a process: with SIGKILL) and starts it again on the same database and port. */
  restart: () => Promise<void>
  [Symbol.asyncDispose]: () => Promise<void>
}

/** Opens a queue service whose files lie in `directory`. */
export type OpenQueueUnderTest = (directory: string) => Promise<QueueUnderTest>

/** In this process: quick, and its clock moves without a restart. */
export async function queueHere(
  directory: string,
  limits: Partial<QueueLimits> = {},
): Promise<QueueUnderTest> {
  const database = join(directory, 'queue.db')
  const world = shiftingWorld()
  const open = async (port: number): Promise<QueueService> =>
    await openQueueService({ database, port, limits }, world)
  let queue = await open(0)
  const { url } = queue
  return {
    url,
    settings: { tokenFile: `${database}.token` },
    shift: async (ms) => world.shift(ms),
    restart: async () => {
      await queue[Symbol.asyncDispose]()
      queue = await open(Number(new URL(url).port))
    },
    [Symbol.asyncDispose]: async () => queue[Symbol.asyncDispose](),
  }
}

const Listening = z.looseObject({ url: z.string() })

/** As a process of its own, which can be killed. Restarts and shifts wait for one another. */
export async function queueAsProcess(
  directory: string,
): Promise<QueueUnderTest & { readonly pid: number }> {
  const database = join(directory, 'queue.db')
  const clock = join(directory, 'queue.clock')
  let shiftedMs = 0
  await writeFile(clock, '0')
  const start = async (port: string): Promise<{ program: Program; url: string }> => {
    const flags = ['--database', database, '--port', port, '--clock', clock]
    const program = startProgram('test/system/queue-with-clock.ts', flags)
    const line = await program.line((text) => text.includes('"listening"'))
    return { program, url: Listening.parse(JSON.parse(line)).url }
  }
  let running = await start('0')
  const { url } = running
  let last = Promise.resolve()
  const inTurn = async (act: () => Promise<void>): Promise<void> => {
    const done = last.then(act)
    last = done.catch(() => undefined)
    await done
  }
  return {
    url,
    settings: { tokenFile: `${database}.token` },
    get pid() {
      return running.program.pid
    },
    restart: async () =>
      inTurn(async () => {
        await running.program.stop('SIGKILL')
        running = await start(new URL(url).port)
      }),
    shift: async (ms) =>
      inTurn(async () => {
        shiftedMs += ms
        await writeFile(clock, String(shiftedMs))
        const aheadMs = `"aheadMs":${shiftedMs}}`
        process.kill(running.program.pid, 'SIGUSR2')
        await running.program.line((text) => text.includes(aheadMs))
      }),
    [Symbol.asyncDispose]: async () => running.program.stop(),
  }
}
