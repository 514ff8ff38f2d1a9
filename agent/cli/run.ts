import { Command } from 'commander'
import { realWorld } from '../../protocol/real-world.ts'
import { exitCodes } from '../exit-code.ts'
import { createLog } from '../log.ts'
import { createOperations } from '../operations/begin-command.ts'
import { readAgentConfig } from '../read-config.ts'
import { runAgent } from '../run-agent.ts'

interface RunOptions {
  config?: string
  bootstrap?: string
  stateDirectory?: string
}

const examples = `
Examples:
  $ sahara-agent run
  $ sahara-agent run --config /etc/sahara-agent/agent.yaml
  $ sahara-agent run --bootstrap ./bootstrap.json --state-directory ./state

SIGTERM stops claiming, waits a moment for commands that are about to end, and exits; the others go on, and the next
start finds them again. A second signal exits at once. SIGHUP reads the policy again. Logs are JSON lines on standard error.`

/** `sahara-agent run`: enrols this instance and carries out its commands, until a signal. */
export function runCommandLine(): Command {
  return new Command('run')
    .description('run the agent in the foreground')
    .option('--config <file>', 'YAML or JSON (default: /etc/sahara-agent/agent.yaml, if it exists)')
    .option('--bootstrap <file>', 'what user-data wrote; overrides bootstrapPath')
    .option('--state-directory <directory>', 'journal, keys, sockets; overrides stateDirectory')
    .addHelpText('after', examples)
    .action(run)
}

async function run({ config: path, bootstrap, stateDirectory }: RunOptions): Promise<void> {
  const config = await readAgentConfig(path, { bootstrapPath: bootstrap, stateDirectory })
  const { stop, hurry } = listenForSignals()
  const reload = new EventTarget()
  process.on('SIGHUP', () => reload.dispatchEvent(new Event('reload')))
  const onReload = (read: () => void) => reload.addEventListener('reload', read)
  const log = createLog(config.logLevel)
  await runAgent(config, {
    world: realWorld(),
    env: process.env,
    log,
    createOperations,
    stop,
    hurry,
    onReload,
  })
  // Keep-alive connections and the runner's socket may hold the process; all that matters is done.
  process.exit(exitCodes.ok)
}

/** The first signal asks the agent to stop, a second one to hurry. */
function listenForSignals(): { stop: AbortSignal; hurry: AbortSignal } {
  const stop = new AbortController()
  const hurry = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    const reason = new DOMException(`${signal} came`, 'AbortError')
    if (stop.signal.aborted) hurry.abort(reason)
    else stop.abort(reason)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return { stop: stop.signal, hurry: hurry.signal }
}
