import { z } from 'zod'
import { OutputStream } from '../../../protocol/messages/replies.ts'
import type { DefineCommand } from '../act.ts'
import type { ApiClient } from '../api/api-client.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { CommandId } from '../options/command-id.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import { followBytes, followOutput } from '../watch/follow-command.ts'

const Options = z.object({
  ...connectionShape,
  id: CommandId,
  follow: z.boolean().default(false),
  stream: z.exactOptional(
    z.enum(OutputStream.options, { error: `one of ${OutputStream.options.join(', ')}` }),
  ),
  offset: z
    .string()
    .regex(/^\d{1,15}$/, 'use a number of bytes')
    .default('0')
    .transform(Number),
})
type Options = z.output<typeof Options>

export const defineCommandOutput: DefineCommand = (command, act) => {
  command
    .argument('<id>', 'id of the command')
    .option('-f, --follow', 'go on until the command has ended')
    .option('--stream <stream>', 'stdout, stderr or content alone, on our stdout')
    .option('--offset <bytes>', 'begin there (counted in that stream with --stream)')
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nStdout and stderr go to our own. With --json, one line of JSON per chunk (bytes in base64url).\n' +
        'The exit code says nothing about the command; `command wait` does.',
    )
    .addHelpText(
      'after',
      examples(
        'command output --follow 0197c0de-0000-7000-8000-0000000000c1',
        'command output --stream stderr 0197c0de-0000-7000-8000-0000000000c1',
      ),
    )
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        if (options.stream !== undefined && !options.json) {
          await copyStream(api, options, options.stream, terminal)
        } else {
          await copyLines(api, options, terminal)
        }
        return 0
      }),
    )
}

async function copyStream(
  api: ApiClient,
  { id, offset, follow }: Options,
  stream: OutputStream,
  { stdout, world }: Terminal,
): Promise<void> {
  // Asked first, so that a controller that is not there, or an unknown id, is told at once.
  await api.getCommand(id)
  const bytes = follow
    ? followBytes({ api, world }, id, stream, offset)
    : api.outputBytes(id, stream, { offset })
  for await (const chunk of bytes) await writeAll(stdout, chunk)
}

async function copyLines(
  api: ApiClient,
  { id, offset, follow, json, stream: wanted }: Options,
  { stdout, stderr, world }: Terminal,
): Promise<void> {
  await api.getCommand(id)
  const lines = follow ? followOutput({ api, world }, id, offset) : api.outputLines(id, { offset })
  for await (const { value, text } of lines) {
    if (wanted !== undefined && value.stream !== wanted) continue
    if (json) await writeAll(stdout, `${text}\n`)
    else await writeAll(value.stream === 'stderr' ? stderr : stdout, value.bytes)
  }
}
