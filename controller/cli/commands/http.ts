import { z } from 'zod'
import type { CommandRecord } from '../../api/resources.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { TransferFailedError } from '../errors.ts'
import { cancelledExitCode } from '../exit-code.ts'
import { readHeaders } from '../options/read-headers.ts'
import { OneInstance } from '../options/target.ts'
import { addTimingOptions, timingOf, timingShape } from '../options/timing.ts'
import { describeEnd } from '../output/describe-command.ts'
import { printable } from '../output/printable.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import { receiveFile } from '../transfer/receive-file.ts'
import { uploadFile } from '../transfer/upload-file.ts'
import { tellLeft } from '../watch/cancel-on-interrupt.ts'
import { type Following, followToEnd } from '../watch/follow-command.ts'
import { untilInterruptedTwice } from '../watch/watch-commands.ts'

const Options = z.object({
  ...connectionShape,
  ...timingShape,
  instance: OneInstance,
  /** Not `url`: that is the controller's. */
  service: z.url({ protocol: /^https?$/, error: 'is no http:// or https:// URL' }),
  request: z.exactOptional(z.string().regex(/^[A-Z]+$/, 'is no method, such as GET')),
  header: z.array(z.string()),
  data: z.exactOptional(z.string().min(1)),
  include: z.boolean().default(false),
  fail: z.boolean().default(false),
  idempotent: z.boolean().default(false),
})
type Options = z.output<typeof Options>

/** As curl's --fail. */
const httpFailedExitCode = 22

export const defineHttp: DefineCommand = (command, act) => {
  command
    .argument('<instance>', 'CLUSTER/INSTANCE: the request is made there')
    .argument(
      '<service>',
      'URL of a service on that instance, such as http://localhost:8088/ws/v1/cluster',
    )
    .option('-X, --request <method>', 'default: GET, or POST with --data')
    .option(
      '-H, --header <line>',
      '`Name: value`, or @FILE with one per line; may be repeated',
      collect,
      [],
    )
    .option('--data <file>', 'the body; - is standard input')
    .option('-i, --include', 'print status and headers before the body')
    .option('--fail', 'exit with 22 where the status is 400 or above, and print no body')
    .option('--idempotent', 'it may be made again when the guest died meanwhile')
  addTimingOptions(command)
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nThe body goes to standard output as it comes (with -i and --fail, once it is whole). Redirects are not\n' +
        'followed. With --json, the command’s record goes to standard error. Exits with 0 for any answer, 22 with --fail,\n' +
        '130 when Ctrl-C cancelled it, 255 where no answer came.',
    )
    .addHelpText(
      'after',
      examples(
        'http web/master http://localhost:8088/ws/v1/cluster/info',
        "http web/master http://localhost:11000/oozie/v1/jobs -H 'Content-Type: application/xml' --data job.xml",
        'http web/worker-1 http://localhost:9864/ -i --fail',
      ),
    )
    .action(act(Options, http))
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value]
}

async function http(options: Options, terminal: Terminal): Promise<number> {
  const { data, idempotent, instance, json, service: url } = options
  const headers = await readHeaders(options.header)
  await using api = await openApiClient(options, terminal)
  const content = data === undefined ? undefined : await uploadFile(api, data, terminal)
  const method = options.request ?? (content ? 'POST' : 'GET')
  const posted = await api.postCommand(instance, {
    ...timingOf(options),
    idempotent,
    ...(content && { content: { sha256: content.sha256 } }),
    operation: { name: 'http', method, url, headers },
  })
  const watched = await untilInterruptedTwice(
    { api, world: terminal.world, json },
    posted.value,
    terminal,
    async (command, following) => {
      try {
        return await receiveAnswer(following, command, options, terminal)
      } catch (error) {
        if (!(error instanceof TransferFailedError)) throw error
        const { value: ended } = await api.getCommand(command.id)
        if (ended.state === 'cancelled') return ended
        throw error
      }
    },
  )
  if (watched.left) await tellLeft(terminal, watched.running)
  const [command] = watched.left ? [] : watched.commands
  if (command === undefined || command.state === 'cancelled') return cancelledExitCode
  if (json) await writeAll(terminal.stderr, `${(await api.getCommand(command.id)).text}\n`)
  return options.fail && answerOf(command).status >= 400 ? httpFailedExitCode : 0
}

/** Status and headers come with the result, after the body: who wants to see them first waits for the end. */
async function receiveAnswer(
  following: Following,
  command: CommandRecord,
  { include, fail }: Options,
  { stdout, stderr }: Terminal,
): Promise<CommandRecord> {
  if (include || fail) {
    const { value: ended } = await followToEnd(following, command.id)
    if (ended.state !== 'succeeded') throw failure(ended)
    const { status, reason, headers } = answerOf(ended)
    if (fail && status >= 400) {
      await writeAll(stderr, `error: the service answered ${status} ${printable(reason)}\n`)
      return ended
    }
    const lines = [`${status} ${reason}`, ...headers.map(([name, value]) => `${name}: ${value}`)]
    if (include) await writeAll(stdout, `${lines.map(printable).join('\n')}\n\n`)
  }
  return await receiveFile(following, command, async (bytes) => writeAll(stdout, bytes))
}

const Answer = z.object({
  status: z.int(),
  reason: z.string().default(''),
  headers: z.array(z.tuple([z.string(), z.string()])).default([]),
})

function answerOf(command: CommandRecord): z.output<typeof Answer> {
  const answer = Answer.safeParse(command.result?.answer)
  if (answer.success) return answer.data
  throw new TransferFailedError(
    `${command.instance}: the agent did not say what was answered (command ${command.id})`,
  )
}

function failure(command: CommandRecord): TransferFailedError {
  return new TransferFailedError(
    `${command.instance}: ${describeEnd(command)} (command ${command.id})`,
  )
}
