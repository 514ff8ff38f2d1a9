import { once } from 'node:events'
import { type Logger, pino } from 'pino'
import { z } from 'zod'
import { type ControllerConfig, defaultStateDirectory } from '../../config.ts'
import { readControllerConfig } from '../../read-config.ts'
import { readControllerCloud } from '../../read-controller-cloud.ts'
import { type Controller, openController } from '../../serve.ts'
import { awaitState } from '../../state-lock.ts'
import type { DefineCommand } from '../act.ts'
import { examples } from '../connection-options.ts'
import { printable } from '../output/printable.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'

const text = z.string().min(1)
const port = z
  .string()
  .regex(/^\d{1,5}$/, 'use a port number; 0 takes any free one')
  .transform(Number)

const Options = z.object({
  config: z.exactOptional(text),
  stateDirectory: z.exactOptional(text),
  socket: z.exactOptional(text),
  listen: z.exactOptional(
    z.string().regex(/^.+:\d{1,5}$/, 'use HOST:PORT, such as 127.0.0.1:8080'),
  ),
  tokenFile: z.exactOptional(text),
  queueUrl: z.exactOptional(
    z.url({
      protocol: /^https?$/,
      error: 'use a URL with its scheme, such as https://zaqar.example:8888',
    }),
  ),
  queueTokenFile: z.exactOptional(text),
  embeddedQueue: z.boolean().default(false),
  queuePort: z.exactOptional(port),
  queueDatabase: z.exactOptional(text),
  standby: z.boolean().default(false),
  logLevel: z.exactOptional(
    z.enum(['debug', 'info', 'warn', 'error', 'silent'], {
      error: 'use debug, info, warn, error or silent',
    }),
  ),
  json: z.boolean().default(false),
})
type Options = z.output<typeof Options>

export const defineServe: DefineCommand = (command, act) => {
  command
    .option('--config <file>', 'a YAML file with the configuration; flags count before it')
    .option('--state-directory <path>', 'holds everything that is to be kept')
    .option('--socket <path>', "the API's Unix socket (default: in the state directory)")
    .option('--listen <host:port>', 'serve the API there as well; needs --token-file')
    .option('--token-file <file>', 'the bearer token for --listen, mode 0600')
    .option('--queue-url <url>', 'the queue service, without /v2')
    .option('--queue-token-file <file>', 'the token for the queue service, mode 0600')
    .option('--embedded-queue', 'serve the queue from this very process')
    .option('--queue-port <port>', 'of the embedded queue (default: 8888)')
    .option('--queue-database <file>', 'of the embedded queue (default: in the state directory)')
    .option(
      '--standby',
      'wait for the end of another controller on this state directory, then take over',
    )
    .option('--log-level <level>', 'debug, info, warn, error or silent (default: info)')
    .option('--json', 'say where it listens as JSON, for whoever started it')
    .addHelpText(
      'after',
      '\nSays on stdout where it listens, as soon as it does; logs JSON lines on stderr.\n' +
        'SIGTERM and Ctrl-C end it: what it has acknowledged is stored. Exits with 0 then, else with 255.',
    )
    .addHelpText(
      'after',
      examples(
        'serve --embedded-queue',
        'serve --queue-url https://zaqar:8888 --queue-token-file /etc/sahara-controller/token',
        'serve --config /etc/sahara-controller/controller.yaml',
      ),
    )
    .action(act(Options, serve))
}

async function serve(options: Options, terminal: Terminal): Promise<number> {
  const config = await readControllerConfig({
    file: options.config,
    overrides: overridesOf(options),
    stateDirectory: defaultStateDirectory(terminal.env, terminal.isRoot),
  })
  const stop = new AbortController()
  using _ = terminal.onStop(() => stop.abort())
  const log = pino({ level: config.logLevel }, terminal.stderr)
  const cloud = await readControllerCloud(config, terminal.env)
  const lock = options.standby ? await waitForTurn(config, terminal, log, stop.signal) : undefined
  if (stop.signal.aborted) return 0
  await using controller = await openController(
    config,
    terminal.world,
    log,
    cloud,
    lock,
    terminal.env,
  )
  await writeAll(terminal.stdout, readyLine(options, controller))
  await tellQueueProblem(controller, log, terminal, stop.signal)
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
  return 0
}

/** A pair on one machine, or on a shared file system whose locks end with their holder: one serves, one waits. */
async function waitForTurn(
  { stateDirectory }: ControllerConfig,
  { world }: Terminal,
  log: Logger,
  stop: AbortSignal,
): Promise<Disposable | undefined> {
  log.info({ stateDirectory }, 'on standby until no other controller uses the state directory')
  try {
    return await awaitState(stateDirectory, world, stop)
  } catch (error) {
    if (!stop.aborted) throw error
    return undefined
  }
}

/**
 * A queue service that refuses us is told of at once, not when the first cluster wants a queue. We serve all the same: it may
 * be corrected while we run. On a terminal a log line of JSON is easily missed.
 */
async function tellQueueProblem(
  { askQueue }: Controller,
  log: Logger,
  { stderr }: Terminal,
  stop: AbortSignal,
): Promise<void> {
  const problem = await askQueue(stop)
  if (problem === null || stop.aborted) return
  const { refused, code, message } = problem
  if (refused) log.error({ code }, message)
  else log.warn({ code }, message)
  if (stderr.isTTY) await writeAll(stderr, `warning: ${printable(message)} (${code})\n`)
}

/** The flags in the shape of the configuration; a flag that was not given does not appear. */
function overridesOf(options: Options): Record<string, unknown> {
  const { listen, tokenFile, queuePort, queueDatabase } = options
  const colon = listen?.lastIndexOf(':')
  const embedded = options.embeddedQueue || queuePort !== undefined || queueDatabase !== undefined
  return (
    withoutUndefined({
      stateDirectory: options.stateDirectory,
      socketPath: options.socket,
      logLevel: options.logLevel,
      listen: withoutUndefined({
        host: listen?.slice(0, colon),
        port: colon === undefined ? undefined : Number(listen?.slice(colon + 1)),
        tokenFile,
      }),
      queue: withoutUndefined({
        url: options.queueUrl,
        tokenFile: options.queueTokenFile,
        embedded: embedded
          ? (withoutUndefined({ port: queuePort, database: queueDatabase }) ?? {})
          : undefined,
      }),
    }) ?? {}
  )
}

function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> | undefined {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}

function readyLine({ json }: Options, { socketPath, apiUrl, queueUrl }: Addresses): string {
  if (json) {
    return `${JSON.stringify({ event: 'listening', socket: socketPath, url: apiUrl, queueUrl })}\n`
  }
  const also = apiUrl === null ? '' : ` and ${apiUrl}`
  return `the controller listens on ${socketPath}${also}; its queue service is ${queueUrl}\n`
}

type Addresses = Pick<Controller, 'socketPath' | 'apiUrl' | 'queueUrl'>
