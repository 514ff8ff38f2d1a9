import { z } from 'zod'
import type { NewCommand } from '../../api/resources.ts'
import type { DefineCommand } from '../act.ts'
import type { ApiClient } from '../api/api-client.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { UsageError } from '../errors.ts'
import { cancelledExitCode, exitCodeHelp, worstExitCode } from '../exit-code.ts'
import { addEnrolledOnlyOption, enrolledOnlyShape } from '../options/enrolled-only.ts'
import { EnvironmentPairs } from '../options/environment-pairs.ts'
import { interpreterOf, readScript } from '../options/read-script.ts'
import { readSecrets, readsStdin } from '../options/read-secrets.ts'
import { Target } from '../options/target.ts'
import { addTimingOptions, timingOf, timingShape } from '../options/timing.ts'
import { printAnswer } from '../output/print-answer.ts'
import type { Terminal } from '../terminal.ts'
import { tellLeft } from '../watch/cancel-on-interrupt.ts'
import { createJsonView } from '../watch/json-view.ts'
import { useRawTerminal } from '../watch/raw-terminal.ts'
import { tellLeftOut } from '../watch/tell-left-out.ts'
import { createTerminalView } from '../watch/terminal-view.ts'
import { watchWithStdin } from '../watch/watch-with-stdin.ts'

const Options = z.object({
  ...connectionShape,
  ...timingShape,
  ...enrolledOnlyShape,
  target: Target,
  argv: z.array(z.string()),
  script: z.exactOptional(z.string().min(1)),
  interpreter: z.exactOptional(
    z
      .string()
      .regex(/\S/, 'is empty')
      .transform((text) => text.trim().split(/\s+/)),
  ),
  user: z.exactOptional(z.string().min(1)),
  cwd: z.exactOptional(z.string().min(1)),
  env: EnvironmentPairs,
  secret: z.array(z.string()),
  secretFd: z.array(z.string()),
  stdin: z.boolean().default(false),
  tty: z.boolean().default(false),
  idempotent: z.boolean().default(false),
  detach: z.boolean().default(false),
})
type Options = z.output<typeof Options>

export const defineRun: DefineCommand = (command, act) => {
  command
    .usage('<target> [options] -- <argv...>')
    .argument('<target>', 'CLUSTER for each of its enrolled instances, or CLUSTER/INSTANCE')
    .argument('[argv...]', 'the program and its arguments; no shell is involved')
    .option('--script <file>', 'run this script instead of a program; - is standard input')
    .option('--interpreter <words>', 'for the script (default: its #! line, or /bin/sh)')
    .option('--user <user>', 'as whom (default: the user the agent runs as)')
    .option('--cwd <directory>', "where (default: the user's home directory)")
    .option('--env <key=value>', 'set a variable; may be repeated', collect, [])
    .option(
      '--secret <name=source>',
      'hand over a secret: db-password=@FILE, =env:VARIABLE or =- (standard input); the program\n' +
        'reads it from the file named in DB_PASSWORD_FILE, and it is redacted from the output',
      collect,
      [],
    )
    .option(
      '--secret-fd <name=source>',
      'the same by a descriptor: the variable says /dev/fd/N',
      collect,
      [],
    )
    .option('-i, --stdin', 'feed our standard input to it')
    .option('-t, --tty', 'run it on a terminal; stdout and stderr are one then')
    .option('--idempotent', 'it may be run again when the guest died while it ran')
    .option('--detach', 'do not wait: print the ids')
  addEnrolledOnlyOption(command)
  addTimingOptions(command)
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nOutput comes while it runs; of several instances, each line behind the name of its instance.\n' +
        'On a terminal, a line on stderr tells when no agent has taken it after two seconds.\n' +
        'Ctrl-C cancels and waits for the end; a second Ctrl-C leaves. It is cancelled as well when nobody reads our\n' +
        'output any more (141); any other end of ours, such as by SIGTERM, leaves it running. With --json, one JSON document per line.\n' +
        'Instances of a cluster that have not enrolled are left out: stderr names them, and the exit code is 255\n' +
        '(not with --enrolled-only).',
    )
    .addHelpText('after', exitCodeHelp)
    .addHelpText(
      'after',
      examples(
        'run web/worker-1 -- uname -a',
        "run web --timeout 5m -- sh -c 'apt-get update && apt-get -y upgrade'",
        'run web/worker-1 --script setup.sh --user ubuntu --env MODE=full',
        'run web/worker-1 --secret db-password=@pw --script backup.sh   # reads "$DB_PASSWORD_FILE"',
        'run web/worker-1 -i -- tar -xz -C /srv <site.tar.gz',
        'run web --detach -- reboot',
      ),
    )
    .action(act(Options, run))
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value]
}

async function run(options: Options, terminal: Terminal): Promise<number> {
  requireOneProgram(options)
  await using api = await openApiClient(options, terminal)
  const posted = await api.postCommand(options.target, await newCommand(options, api, terminal))
  const commands = posted.value
  const leastExitCode = await tellLeftOut(terminal, options, posted.leftOut)
  if (options.detach) {
    await printAnswer(terminal, options, posted, (records) =>
      records
        .map(({ id, instance }) => (records.length === 1 ? `${id}\n` : `${id}  ${instance}\n`))
        .join(''),
    )
    return leastExitCode
  }
  const view = options.json ? createJsonView(terminal) : createTerminalView(terminal, commands)
  const following = { api, world: terminal.world }
  using _ = options.tty && options.stdin ? useRawTerminal(following, terminal, commands) : null
  const watched = await watchWithStdin(api, commands, view, terminal, options)
  if (!watched.left) return Math.max(leastExitCode, worstExitCode(watched.commands))
  await tellLeft(terminal, watched.running)
  return cancelledExitCode
}

function requireOneProgram(options: Options): void {
  const { argv, script, interpreter, stdin, detach } = options
  if (script === undefined && argv.length === 0) {
    throw new UsageError('nothing to run; write `-- PROGRAM ARGUMENTS...`, or --script FILE')
  }
  if (script !== undefined && argv.length > 0) {
    throw new UsageError('--script takes no arguments; hand them over by --env, or run a program')
  }
  if (script === undefined && interpreter !== undefined) {
    throw new UsageError('--interpreter is for --script; begin the program with it instead')
  }
  if (readsStdin(options) && (script === '-' || stdin)) {
    throw new UsageError('standard input cannot be a secret and something else')
  }
  if (script === '-' && stdin)
    throw new UsageError('standard input cannot be both script and input')
  if (detach && stdin) throw new UsageError('--detach cannot feed --stdin; leave one of them out')
}

async function newCommand(
  options: Options,
  api: ApiClient,
  terminal: Terminal,
): Promise<z.input<typeof NewCommand>> {
  const { user, cwd } = options
  const term = terminal.env['TERM']
  const secrets = await readSecrets(options, terminal)
  const what = await programOf(options, api, terminal)
  return {
    ...timingOf(options),
    idempotent: options.idempotent,
    ...(what.content && { content: what.content }),
    operation: {
      name: 'exec',
      ...what.program,
      env: { ...(options.tty && term && { TERM: term }), ...options.env },
      ...(secrets && { secrets }),
      ...(user !== undefined && { user }),
      ...(cwd !== undefined && { cwd }),
      stdin: options.stdin ? 'open' : 'none',
      pty: options.tty,
    },
  }
}

/** Text up to here stands in the command itself, in bytes; it shares the agent's inline limit with the environment. */
const inlineScriptBytes = 64 * 1024

async function programOf(
  { argv, script, interpreter }: Options,
  api: ApiClient,
  terminal: Terminal,
) {
  if (script === undefined) return { program: { argv } }
  const bytes = await readScript(script, terminal)
  const chosen = interpreter ?? interpreterOf(bytes)
  const by = chosen === null ? {} : { interpreter: chosen }
  const text = bytes.length <= inlineScriptBytes ? decodeExactly(bytes) : null
  if (text !== null) return { program: { script: text, ...by } }
  const { sha256 } = (await api.storeContent(onceOver(bytes))).value
  return { program: { contentIs: 'script' as const, ...by }, content: { sha256 } }
}

async function* onceOver(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** @returns null for bytes that are no UTF-8, which JSON could not carry unchanged. */
function decodeExactly(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}
