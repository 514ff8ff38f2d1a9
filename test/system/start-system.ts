import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { stringify } from 'yaml'
import { createGuest, type Guest } from './guest.ts'
import { type Program, startProgram } from './start-program.ts'
import { type OpenSystemQueue, openOwnQueue, type SystemQueue } from './system-queue.ts'

/** The programs of a whole installation as processes of their own, with all their files in one directory. */
export interface System {
  directory: string
  queue: SystemQueue
  controller: Program
  socketPath: string
  /** Runs `sahara-controller ARGUMENTS`; never throws for an exit code. */
  cli: (programArguments: readonly string[], options?: CliOptions) => Promise<CliResult>
  createGuest: (name: string) => Promise<Guest>
  /** Starts the controller again after it was stopped or killed. */
  startController: () => Promise<Program>
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

export async function startSystem(
  directory: string,
  controllerSettings: Readonly<Record<string, unknown>> = {},
  openQueue: OpenSystemQueue = openOwnQueue,
): Promise<System> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  const socketPath = join(directory, 'controller.sock')
  const configPath = join(directory, 'controller.yaml')
  await using opened = new AsyncDisposableStack()
  const queue = opened.use(await openQueue(directory))
  const stateDirectory = join(directory, 'controller')
  const settings = { stateDirectory, socketPath, queue: queue.settings, ...controllerSettings }
  await writeFile(configPath, stringify(settings))

  const startController = async (): Promise<Program> => {
    const flags = ['serve', '--config', configPath, '--json']
    const program = startProgram('controller/main.ts', flags, queue.environment)
    await program.line((text) => text.includes('"listening"'))
    return program
  }
  let controller = await startController()
  opened.defer(async () => await controller.stop())
  const life = opened.move()
  return {
    directory,
    queue,
    get controller() {
      return controller
    },
    socketPath,
    cli: async (programArguments, options = {}) =>
      await runCli(socketPath, programArguments, options),
    createGuest: async (name) => await createGuest(name, join(directory, 'guests', name)),
    startController: async () => {
      controller = await startController()
      return controller
    },
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
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
