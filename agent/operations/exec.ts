import type { ExecOperation } from '../../protocol/messages/operations.ts'
import type { Key } from '../../protocol/sealing/keys.ts'
import type { World } from '../../protocol/world.ts'
import type { CommandSpec } from '../runner/command-spec.ts'
import type { RunnerClient } from '../runner/runner-client.ts'
import { segmentBytes } from '../runner/spool-segments.ts'
import { RunnerOutdatedError } from '../runner/start-runner.ts'
import { openSecrets } from '../secrets/open-secrets.ts'
import type { OperationHandler, OperationsOptions } from './begin-command.ts'
import { endedCommand } from './ended-command.ts'
import type { CommandToRun } from './operation.ts'

/** Runs a program, in the runner. `agent` opens the secrets of commands. */
export function createExec(
  options: OperationsOptions,
  runner: RunnerClient,
  world: World,
  agent: Key | undefined,
): OperationHandler<ExecOperation> {
  const { stateDirectory } = options
  return {
    begin: async (toRun, fields) => {
      const what = chooseProgram(toRun, fields)
      if ('problem' in what) return fail('operation-malformed', what.problem, world)
      const spec = toSpec(toRun, fields, what, options)
      const { secrets: sealed } = fields
      const secrets = sealed && (await openSecrets(spec.id, sealed, { stateDirectory, agent }))
      if (secrets && 'problem' in secrets) {
        return fail(secrets.problem.code, secrets.problem.message, world)
      }
      try {
        return await runner.begin(secrets ? { ...spec, secrets } : spec)
      } catch (error) {
        if (error instanceof RunnerOutdatedError)
          return fail('runner-outdated', error.message, world)
        // A RunnerUnreachableError, or what kept the runner from being started: a full disk, no rights.
        const message = error instanceof Error ? error.message : 'the runner cannot be started'
        return fail('runner-unreachable', message, world)
      }
    },
    resume: async ({ command, directory }) => runner.resume(command.id, directory),
  }
}

type Program = Pick<CommandSpec, 'run' | 'stdin'>

/** Which of `argv`, `script` and content is run, and what is fed to it. Pure. */
function chooseProgram(
  { contentPath }: Pick<CommandToRun, 'contentPath'>,
  { argv, script, contentIs, interpreter, stdin }: ExecOperation,
): Program | { problem: string } {
  const given = [argv, script, contentIs === 'script' ? contentIs : undefined]
  if (given.filter((each) => each !== undefined).length !== 1) {
    return { problem: 'exactly one of argv, script and content as the script must be given' }
  }
  if ((contentIs === undefined) !== (contentPath === null)) {
    return { problem: 'contentIs and the content itself must come together' }
  }
  if (contentIs === 'stdin' && stdin === 'open') {
    return { problem: 'standard input is either the content or open, not both' }
  }
  const input: Program['stdin'] =
    contentIs === 'stdin' && contentPath !== null
      ? { kind: 'file', path: contentPath }
      : { kind: stdin }
  if (argv !== undefined) return { run: { kind: 'argv', argv }, stdin: input }
  if (script !== undefined) {
    return { run: { kind: 'script', interpreter, text: script }, stdin: input }
  }
  const path = contentPath ?? ''
  return { run: { kind: 'script-file', interpreter, path }, stdin: input }
}

function toSpec(
  { command, directory, deadlineMs }: CommandToRun,
  { env, cwd, user, pty }: ExecOperation,
  program: Program,
  { spoolLimitBytes, outputLimitBytes, outputTailBytes }: OperationsOptions,
): CommandSpec {
  const { timeoutSeconds, silenceSeconds, graceSeconds } = command
  return {
    id: command.id,
    directory,
    ...program,
    env,
    cwd: cwd ?? null,
    user: user ?? null,
    pty,
    timeoutMs: timeoutSeconds * 1000,
    silenceMs: silenceSeconds === undefined ? null : silenceSeconds * 1000,
    deadlineMs: Math.max(0, deadlineMs),
    graceMs: graceSeconds * 1000,
    spoolLimitBytes,
    // At least one whole segment must be discardable before the spool is full.
    keep: { headBytes: outputLimitBytes - outputTailBytes, tailBytes: outputTailBytes },
    segmentBytes: Math.min(segmentBytes, Math.ceil(spoolLimitBytes / 4)),
  }
}

function fail(code: string, message: string, world: World) {
  return endedCommand({ state: 'failed', reason: { code, message } }, world)
}
