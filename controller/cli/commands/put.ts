import { basename } from 'node:path'
import { z } from 'zod'
import type { CommandRecord, NewCommand } from '../../api/resources.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { TransferCorruptError, TransferFailedError, UsageError } from '../errors.ts'
import { cancelledExitCode } from '../exit-code.ts'
import { addEnrolledOnlyOption, enrolledOnlyShape } from '../options/enrolled-only.ts'
import { RemoteFile } from '../options/target.ts'
import { addTimingOptions, timingOf, timingShape } from '../options/timing.ts'
import { describeEnd } from '../output/describe-command.ts'
import { formatBytes } from '../output/human-size.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import { writtenDigest } from '../transfer/announced-digest.ts'
import { uploadFile } from '../transfer/upload-file.ts'
import { tellLeft } from '../watch/cancel-on-interrupt.ts'
import { followToEnd } from '../watch/follow-command.ts'
import { tellLeftOut } from '../watch/tell-left-out.ts'
import { untilInterruptedTwice } from '../watch/watch-commands.ts'

const Options = z.object({
  ...connectionShape,
  ...timingShape,
  ...enrolledOnlyShape,
  local: z.string().min(1),
  remote: RemoteFile,
  mode: z.exactOptional(z.string().regex(/^[0-7]{3,4}$/, 'use octal digits, such as 0644')),
  owner: z.exactOptional(z.string().min(1)),
  user: z.exactOptional(z.string().min(1)),
  create: z.boolean().default(false),
  append: z.boolean().default(false),
  prepend: z.boolean().default(false),
})
type Options = z.output<typeof Options>

export const definePut: DefineCommand = (command, act) => {
  command
    .argument('<local>', 'a file here; - is standard input')
    .argument(
      '<remote>',
      'CLUSTER/INSTANCE:PATH, or CLUSTER:PATH for each of its instances; below a PATH that ends\n' +
        'with / the file keeps its name',
    )
    .option('--mode <octal>', 'such as 0600 (default: what the file has, or 0644)')
    .option('--owner <owner>', 'user, user:group or :group (default: what the file has)')
    .option('--user <user>', 'write as this user (default: the user the agent runs as)')
    .option('--create', 'fail when the file exists')
    .option('--append', 'add to the end of the file')
    .option('--prepend', 'add before the beginning of the file')
  addEnrolledOnlyOption(command)
  addTimingOptions(command)
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nThe file appears whole, or not at all; its digest is compared. With --json, one record per line.\n' +
        'Exits with 0 only when every instance has it: those that have not enrolled are left out, which stderr tells (255),\n' +
        'but for --enrolled-only. Ctrl-C cancels (130).',
    )
    .addHelpText(
      'after',
      examples(
        'put site.tar.gz web/worker-1:/srv/',
        'put hosts web:/etc/hosts --mode 0644 --owner root:root',
        'put - web/worker-1:/root/.ssh/authorized_keys --append <key.pub',
      ),
    )
    .action(act(Options, put))
}

async function put(options: Options, terminal: Terminal): Promise<number> {
  const placement = placementOf(options)
  const path = destinationOf(options)
  await using api = await openApiClient(options, terminal)
  const stored = await uploadFile(api, options.local, terminal)
  const posted = await api.postCommand(options.remote.target, {
    ...timingOf(options),
    content: { sha256: stored.sha256 },
    operation: writeOperation(options, path, placement),
  })
  const leastExitCode = await tellLeftOut(terminal, options, posted.leftOut)
  const failures: string[] = []
  const watched = await untilInterruptedTwice(
    { api, world: terminal.world, json: options.json },
    posted.value,
    terminal,
    async ({ id }, bounded) => {
      const { value: command, text } = await followToEnd(bounded, id)
      if (options.json) await writeAll(terminal.stdout, `${text}\n`)
      if (command.state === 'succeeded' && placement !== 'append' && placement !== 'prepend') {
        requireSame(command, stored)
      }
      if (command.state !== 'succeeded') failures.push(describeFailure(command))
      return command
    },
  )
  if (watched.left) await tellLeft(terminal, watched.running)
  if (watched.left || watched.commands.some(({ state }) => state === 'cancelled')) {
    return cancelledExitCode
  }
  if (failures.length > 0) throw new TransferFailedError(failures.join('; '))
  await tellDone(options, path, posted.value, stored.size, terminal)
  return leastExitCode
}

/** As scp has it: a directory is told by its last slash, and the file has there the name that it has here. */
function destinationOf({ local, remote: { path } }: Options): string {
  if (!path.endsWith('/')) return path
  if (local !== '-') return `${path}${basename(local)}`
  throw new UsageError(
    `standard input has no name; write one behind ${JSON.stringify(path)}, which is a directory`,
  )
}

type Placement = 'replace' | 'create' | 'append' | 'prepend'

function placementOf({ create, append, prepend }: Options): Placement {
  if (Number(create) + Number(append) + Number(prepend) > 1) {
    throw new UsageError('--create, --append and --prepend exclude each other; give one')
  }
  if (create) return 'create'
  if (append) return 'append'
  return prepend ? 'prepend' : 'replace'
}

function writeOperation(
  { mode, owner, user }: Options,
  path: string,
  placement: Placement,
): z.input<typeof NewCommand>['operation'] {
  return {
    name: 'write',
    path,
    placement,
    ...(mode !== undefined && { mode }),
    ...(owner !== undefined && { owner }),
    ...(user !== undefined && { user }),
  }
}

/** The agent has compared the digest of what it received; this compares what it then put in place. */
function requireSame(command: CommandRecord, sent: { size: number; sha256: string }): void {
  const written = writtenDigest(command)
  if (written.sha256 === sent.sha256 && written.size === sent.size) return
  throw new TransferCorruptError(
    `${command.instance}: the file has SHA-256 ${written.sha256 ?? '(none told)'}, but ${sent.sha256} was sent ` +
      `(command ${command.id}); look at it there, and try again`,
  )
}

function describeFailure(command: CommandRecord): string {
  return `${command.instance}: ${describeEnd(command)} (command ${command.id})`
}

async function tellDone(
  { json }: Options,
  path: string,
  commands: readonly CommandRecord[],
  size: number,
  { stderr }: Terminal,
): Promise<void> {
  // As scp: a script hears nothing, a person what was done.
  if (json || stderr.isTTY !== true) return
  const where = commands.length === 1 ? '' : ` on ${commands.length} instances`
  await writeAll(stderr, `${formatBytes(size)} written to ${path}${where}\n`)
}
