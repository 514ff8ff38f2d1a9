import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { stringify } from 'yaml'
import { z } from 'zod'
import { createGuest, type Guest } from './guest.ts'
import { type Program, startProgram } from './start-program.ts'

/** The programs of a whole installation as processes of their own, with all their files in one directory. */
export interface System {
  directory: string
  queue: Program
  queueUrl: string
  queueDatabase: string
  queueTokenFile: string
  controller: Program
  socketPath: string
  /** Runs `sahara-controller ARGUMENTS`; never throws for an exit code. */
  cli: (programArguments: readonly string[], options?: CliOptions) => Promise<CliResult>
  createGuest: (name: string) => Promise<Guest>
  /** Starts the controller again after it was stopped or killed. */
  startController: () => Promise<Program>
  /** Starts the queue service again, on its old port. */
  startQueue: () => Promise<Program>
  [Symbol.asyncDispose]: () => Promise<void>
}

export interface CliOptions {
  input?: string | Uint8Array
  /** Shows both streams as they come, besides collecting them. */
  live?: boolean
}
export interface CliResult {
  exitCode: number | undefined
  stdout: string
  stderr: string
}

const Listening = z.looseObject({ event: z.literal('listening'), url: z.string() })

export async function startSystem(
  directory: string,
  controllerSettings: Readonly<Record<string, unknown>> = {},
): Promise<System> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  const queueDatabase = join(directory, 'queue.db')
  const queueTokenFile = `${queueDatabase}.token`
  const socketPath = join(directory, 'controller.sock')
  const configPath = join(directory, 'controller.yaml')

  const startQueue = async (port: string): Promise<{ program: Program; url: string }> => {
    const flags = ['serve', '--port', port, '--database', queueDatabase, '--json']
    const program = startProgram('queue/main.ts', flags)
    const line = await program.line((text) => text.includes('"listening"'))
    return { program, url: Listening.parse(JSON.parse(line)).url }
  }
  const startController = async (): Promise<Program> => {
    const program = startProgram('controller/main.ts', ['serve', '--config', configPath, '--json'])
    await program.line((text) => text.includes('"listening"'))
    return program
  }

  const first = await startQueue('0')
  await writeFile(
    configPath,
    stringify({
      stateDirectory: join(directory, 'controller'),
      socketPath,
      queue: { url: first.url, tokenFile: queueTokenFile },
      ...controllerSettings,
    }),
  )
  const system: System = {
    directory,
    queue: first.program,
    queueUrl: first.url,
    queueDatabase,
    queueTokenFile,
    controller: await startController(),
    socketPath,
    cli: async (programArguments, options = {}) =>
      await runCli(socketPath, programArguments, options),
    createGuest: async (name) => await createGuest(name, join(directory, 'guests', name)),
    startController: async () => {
      system.controller = await startController()
      return system.controller
    },
    startQueue: async () => {
      system.queue = (await startQueue(new URL(first.url).port)).program
      return system.queue
    },
    [Symbol.asyncDispose]: async () => {
      await system.controller.stop()
      await system.queue.stop()
    },
  }
  return system
}

async function runCli(
  socketPath: string,
  programArguments: readonly string[],
  { input, live = false }: CliOptions,
): Promise<CliResult> {
  const path = new URL('../../controller/main.ts', import.meta.url).pathname
  const output = live ? (['pipe', 'inherit'] as const) : (['pipe'] as const)
  const ran = await execa(process.execPath, [path, ...programArguments], {
    reject: false,
    stripFinalNewline: false,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    stdout: output,
    stderr: output,
    env: { SAHARA_CONTROLLER_SOCKET: socketPath },
  })
  return {
    exitCode: ran.exitCode,
    stdout: ran.stdout ?? '',
    stderr: ran.stderr ?? '',
  }
}
