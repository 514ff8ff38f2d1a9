import { z } from 'zod'
import type { CommandRecord } from '../../api/resources.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { TransferFailedError } from '../errors.ts'
import { cancelledExitCode } from '../exit-code.ts'
import { addEnrolledOnlyOption, enrolledOnlyShape } from '../options/enrolled-only.ts'
import { RemoteFile } from '../options/target.ts'
import { addTimingOptions, timingOf, timingShape } from '../options/timing.ts'
import type { Progress } from '../output/progress.ts'
import { openProgress } from '../output/progress.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import { chooseDestination } from '../transfer/local-destination.ts'
import { createPartFile } from '../transfer/part-file.ts'
import { receiveFile } from '../transfer/receive-file.ts'
import { tellLeft } from '../watch/cancel-on-interrupt.ts'
import type { Following } from '../watch/follow-command.ts'
import { tellLeftOut } from '../watch/tell-left-out.ts'
import { untilInterruptedTwice } from '../watch/watch-commands.ts'

const Options = z.object({
  ...connectionShape,
  ...timingShape,
  ...enrolledOnlyShape,
  remote: RemoteFile,
  local: z.string().min(1),
  user: z.exactOptional(z.string().min(1)),
})
type Options = z.output<typeof Options>

export const defineGet: DefineCommand = (command, act) => {
  command
    .argument('<remote>', 'CLUSTER/INSTANCE:PATH, or CLUSTER:PATH for each of its instances')
    .argument('<local>', 'a file or a directory here; - is standard output')
    .option('--user <user>', 'read as this user (default: the user the agent runs as)')
  addEnrolledOnlyOption(command)
  addTimingOptions(command)
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nThe file appears whole, or not at all; its digest is compared. Of a whole cluster, each instance has a\n' +
        'directory of its own below <local>. With --json, one record per line (on stderr with -).\n' +
        'Exits with 0 only when every file has come: instances that have not enrolled are left out, which stderr tells (255),\n' +
        'but for --enrolled-only. Ctrl-C cancels (130).',
    )
    .addHelpText(
      'after',
      examples(
        'get web/worker-1:/var/log/syslog .',
        'get web:/etc/os-release releases/',
        'get web/worker-1:/etc/passwd - | cut -d: -f1',
      ),
    )
    .action(act(Options, get))
}

async function get(options: Options, terminal: Terminal): Promise<number> {
  const destinationOf = await chooseDestination(options.local, options.remote)
  await using api = await openApiClient(options, terminal)
  const { target, path } = options.remote
  const posted = await api.postCommand(target, {
    ...timingOf(options),
    operation: { name: 'read', path, ...(options.user !== undefined && { user: options.user }) },
  })
  const leastExitCode = await tellLeftOut(terminal, options, posted.leftOut)
  using progress = await openProgress(terminal, path, null)
  const failures: string[] = []
  const watched = await untilInterruptedTwice(
    { api, world: terminal.world, json: options.json },
    posted.value,
    terminal,
    async (command, following) => {
      try {
        return options.local === '-'
          ? await getToStdout(following, command, terminal, progress)
          : await getToFile(following, command, await destinationOf(command.instance), progress)
      } catch (error) {
        // One that fails does not stop the others.
        if (!(error instanceof TransferFailedError)) throw error
        failures.push(error.message)
        return (await api.getCommand(command.id)).value
      }
    },
  )
  if (watched.left) await tellLeft(terminal, watched.running)
  if (watched.left || watched.commands.some(({ state }) => state === 'cancelled')) {
    return cancelledExitCode
  }
  if (failures.length > 0) throw new TransferFailedError(failures.join('; '))
  if (options.json) await printRecords(options, watched.commands, api, terminal)
  return leastExitCode
}

async function getToFile(
  following: Following,
  command: CommandRecord,
  destination: string,
  progress: Progress,
): Promise<CommandRecord> {
  await using part = await createPartFile(destination, following.world)
  const received = await receiveFile(following, command, async (bytes) => {
    await part.write(bytes)
    progress.add(bytes.length)
  })
  await part.keep()
  return received
}

async function getToStdout(
  following: Following,
  command: CommandRecord,
  { stdout }: Terminal,
  progress: Progress,
): Promise<CommandRecord> {
  return await receiveFile(following, command, async (bytes) => {
    await writeAll(stdout, bytes)
    progress.add(bytes.length)
  })
}

async function printRecords(
  { local }: Options,
  commands: readonly CommandRecord[],
  api: Awaited<ReturnType<typeof openApiClient>>,
  { stdout, stderr }: Terminal,
): Promise<void> {
  for (const { id } of commands) {
    const { text } = await api.getCommand(id)
    await writeAll(local === '-' ? stderr : stdout, `${text}\n`)
  }
}
