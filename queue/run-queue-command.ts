import { Command, CommanderError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { SaharaAgentError } from '../protocol/errors.ts'
import { type Process, ServeFlags, serveUntilStopped } from './serve-command.ts'

const exitCodes = { ok: 0, failure: 1, usage: 2 } as const

/** Runs `sahara-queue` with these arguments (as in `process.argv`) until it is done; resolves to its exit code. */
export async function runQueueCommand(argv: readonly string[], process: Process): Promise<number> {
  try {
    await buildProgram(process).parseAsync([...argv])
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    }
    const isKnown = error instanceof SaharaAgentError
    const code = isKnown ? error.code : 'ERR_INTERNAL'
    const text = error instanceof Error ? error.message : String(error)
    process.stderr.write(`sahara-queue: ${text} (${code})\n`)
    return code === 'ERR_CONFIG_INVALID' ? exitCodes.usage : exitCodes.failure
  }
}

function buildProgram(process: Process): Command {
  const program = new Command('sahara-queue')
    .description(
      "The embedded queue service (Zaqar's v2 HTTP API over one SQLite file), and a gateway to Zaqar.",
    )
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => process.stdout.write(text),
      writeErr: (text) => process.stderr.write(text),
    })
    .addHelpText('after', exitCodeHelp)
  program
    .command('serve')
    .description('serve until SIGTERM or SIGINT')
    .option('--port <number>', 'the port to listen on; 0 picks a free one', '8888')
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .requiredOption('--database <file>', 'the SQLite file; made if it is missing')
    .addOption(
      new Option('--auth <kind>', '"none" lets everybody in, on loopback only')
        .choices(['token', 'none'])
        .default('token'),
    )
    .option('--token-file <file>', "the operator's token, mode 0600 (default: DATABASE.token)")
    .option('--tls-cert <file>', 'serve HTTPS with this certificate chain (PEM)')
    .option('--tls-key <file>', "the certificate's key (PEM)")
    .option('--json', 'print events as JSON, one to a line')
    .addOption(
      new Option('--log-level <level>', 'what to log on stderr')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('warn'),
    )
    .addHelpText('after', serveHelp)
    .action((flags: unknown) => serveUntilStopped(ServeFlags.parse(flags), process))
  addGatewayCommand(program, process)
  return program
}

function addGatewayCommand(program: Command, process: Process): void {
  program
    .command('gateway')
    .description(
      'hold agents’ claims in front of a Zaqar, which has no long-poll, until SIGTERM or SIGINT',
    )
    .requiredOption('--upstream <url>', 'the Zaqar behind, without /v2')
    .option('--upstream-ca <file>', 'trust these certificates (PEM) for it, besides the system’s')
    .option('--port <number>', 'the port for agents; 0 picks a free one', '8889')
    .option('--host <address>', 'the address for agents', '127.0.0.1')
    .option('--tls-cert <file>', 'serve agents HTTPS with this certificate chain (PEM)')
    .option('--tls-key <file>', "the certificate's key (PEM)")
    .option('--notify-port <number>', 'the port for notifications of the Zaqar', '8890')
    .option(
      '--notify-host <address>',
      'the address for them; no guest should reach it',
      '127.0.0.1',
    )
    .option('--look-again <seconds>', 'how late a lost notification is made good, at most', '60')
    .option('--json', 'print events as JSON, one to a line')
    .addOption(
      new Option('--log-level <level>', 'what to log on stderr')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('warn'),
    )
    .addHelpText('after', gatewayHelp)
    .action(async (flags: unknown) => {
      const { GatewayFlags, serveGatewayUntilStopped } = await import(
        './gateway/gateway-command.ts'
      )
      await serveGatewayUntilStopped(GatewayFlags.parse(flags), process)
    })
}

const exitCodeHelp = `
Exit codes:
  0  stopped as asked, or help or version shown
  1  failure: a port that is taken, a database or a secret file that cannot be used, ...
  2  usage: an unknown option or a value that does not fit

Example:
  $ sahara-queue serve --database /var/lib/sahara-agent/queue.db
`

const gatewayHelp = `
It has no key and keeps nothing. The controller makes Zaqar notify it: set queue.gateway.url and
queue.gateway.notifyUrls in the controller's configuration.

Examples:
  $ sahara-queue gateway --upstream http://127.0.0.1:8888
  $ sahara-queue gateway --upstream https://zaqar.example:8888 --host 0.0.0.0 \\
      --tls-cert gateway.pem --tls-key gateway.key --notify-host 10.0.0.5
`

const serveHelp = `
Secrets are kept in files of mode 0600 beside the database and made at the first start:
DATABASE.token (the operator's token) and DATABASE.key (signs URLs).

Examples:
  $ sahara-queue serve --database queue.db
  $ sahara-queue serve --database queue.db --port 0 --json
  {"event":"listening","url":"http://127.0.0.1:40123"}
  $ sahara-queue serve --database queue.db --host 0.0.0.0 --tls-cert queue.pem --tls-key queue.key
  $ curl -H "X-Auth-Token: $(cat queue.db.token)" -H "Client-ID: $(uuidgen)" \\
      -H "X-Project-ID: demo" http://127.0.0.1:8888/v2/queues
`
