import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import {
  ExecOperation,
  HttpOperation,
  ReadOperation,
  WriteOperation,
} from '../../protocol/messages/operations.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { Key } from '../../protocol/sealing/keys.ts'
import type { World } from '../../protocol/world.ts'
import { createRunnerClient } from '../runner/runner-client.ts'
import { listSegments, segmentPath } from '../runner/spool-segments.ts'
import { endedCommand, recalledCommand } from './ended-command.ts'
import { createExec } from './exec.ts'
import { createHttp } from './http.ts'
import type { CommandToRun, Resumption, RunningCommand } from './operation.ts'
import { createRead } from './read.ts'
import { createWrite } from './write.ts'

/** How operations are carried out. */
export const OperationsOptions = z.strictObject({
  /** Absolute; the runner's socket, lock, pipes and log lie there. */
  stateDirectory: z.string().startsWith('/'),
  /** Output of one command, in bytes, that may wait to be sent; then the command is held back. */
  spoolLimitBytes: z
    .int()
    .min(1024 * 1024)
    .default(64 * 1024 * 1024),
  /** Output of one program, in bytes, up to which all is kept; of more, the beginning and the end. */
  outputLimitBytes: z
    .int()
    .min(1024 * 1024)
    .default(16 * 2 ** 30),
  /** How much of the end is kept then, in bytes, of memory in the runner. */
  outputTailBytes: z
    .int()
    .min(1)
    .max(512 * 1024)
    .default(512 * 1024),
  /** How long the runner stays without commands and without an agent, in milliseconds. */
  runnerIdleMs: z.int().min(1).default(60_000),
})
export type OperationsOptions = z.output<typeof OperationsOptions>

/** The operations that take place on the instance: `exec`, `write`, `read` and `http`. */
export interface Operations extends AsyncDisposable {
  /** Never rejects: what cannot be begun has ended, and its result says why. */
  begin: (toRun: CommandToRun) => Promise<RunningCommand>
  /** After a restart of the agent. Never rejects either. */
  resume: (toRun: CommandToRun) => Promise<Resumption>
  /** The same for one whose end is known: gives its output, as far as it is left, and does nothing of it again. */
  recall: (toRun: Pick<CommandToRun, 'command' | 'directory'>, result: Result) => RunningCommand
  /**
   * Begins an `idempotent` command anew that was interrupted: forgets its first run and that run's output, so its
   * offsets start from 0 again.
   */
  beginAgain: (toRun: CommandToRun) => Promise<RunningCommand>
}

/** One operation: how its fields look, and what is done. */
export interface OperationHandler<Fields> {
  begin: (toRun: CommandToRun, fields: Fields) => Promise<RunningCommand>
  resume: (toRun: CommandToRun, fields: Fields) => Promise<Resumption>
}

/** @param agent the key to which the secrets of commands are sealed; without it no command with a secret is begun. */
export function createOperations(
  input: z.input<typeof OperationsOptions>,
  world: World,
  agent?: Key,
): Operations {
  const options = OperationsOptions.parse(input)
  const { stateDirectory, runnerIdleMs } = options
  const runner = createRunnerClient({ stateDirectory, idleMs: runnerIdleMs }, world)
  const table = new Map<string, Entry>([
    ['exec', entry(ExecOperation, createExec(options, runner, world, agent), world)],
    ['write', entry(WriteOperation, createWrite(world), world)],
    ['read', entry(ReadOperation, createRead(options, world), world)],
    ['http', entry(HttpOperation, createHttp(options, world), world)],
  ])

  const find = ({ command }: CommandToRun): Entry => {
    const { name } = command.operation
    const message = `this agent knows no operation "${name}"; upgrade it`
    return table.get(name) ?? refuseAll('unknown-operation', message, world)
  }

  return {
    begin: async (toRun) => find(toRun).begin(toRun),
    resume: async (toRun) => find(toRun).resume(toRun),
    recall: ({ directory }, result) => recalledCommand(directory, result),
    beginAgain: async (toRun) => {
      await forgetRun(toRun.directory)
      return find(toRun).begin(toRun)
    },
    [Symbol.asyncDispose]: async () => runner[Symbol.asyncDispose](),
  }
}

interface Entry {
  begin: (toRun: CommandToRun) => Promise<RunningCommand>
  resume: (toRun: CommandToRun) => Promise<Resumption>
}

/** Parses an operation's fields before its handler sees them. */
function entry<Fields>(
  schema: z.ZodType<Fields>,
  handler: OperationHandler<Fields>,
  world: World,
): Entry {
  const parse = (toRun: CommandToRun) => schema.safeParse(toRun.command.operation)
  const refuse = (error: z.ZodError) => {
    return refuseAll('operation-malformed', z.prettifyError(error).slice(0, 4096), world)
  }
  return {
    begin: async (toRun) => {
      const { data, error } = parse(toRun)
      return error ? refuse(error).begin(toRun) : handler.begin(toRun, data)
    },
    resume: async (toRun) => {
      const { data, error } = parse(toRun)
      return error ? refuse(error).resume(toRun) : handler.resume(toRun, data)
    },
  }
}

function refuseAll(code: string, message: string, world: World): Entry {
  const running = () => endedCommand({ state: 'refused', reason: { code, message } }, world)
  return {
    begin: async () => running(),
    resume: async () => ({ kind: 'running-or-ended', running: running() }),
  }
}

async function forgetRun(directory: string): Promise<void> {
  const segments = (await listSegments(directory)).map((start) => segmentPath(directory, start))
  // The mark goes last: without it, what an agent that is killed here leaves would be the output of a new run.
  const records = ['end.json', 'end.reserve', 'staged.json', 'begun']
  for (const path of [...segments, ...records.map((name) => join(directory, name))]) {
    await rm(path, { force: true })
  }
}
