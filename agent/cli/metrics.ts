import { Command } from 'commander'
import { readAgentConfig } from '../read-config.ts'
import { statePaths } from '../state-directory.ts'
import { askMetrics } from '../status/ask-status.ts'
import { print } from './output.ts'

interface MetricsOptions {
  config?: string
  stateDirectory?: string
}

const examples = `
Examples:
  $ sahara-agent metrics
  $ curl --unix-socket /var/lib/sahara-agent/agent.sock http://localhost/metrics

In Prometheus' text format; each is explained in docs/observability.md.`

/** `sahara-agent metrics`: the running agent's numbers. */
export function metricsCommandLine(): Command {
  return new Command('metrics')
    .description('print the running agent’s metrics, for Prometheus')
    .option('--config <file>', 'the running agent’s configuration')
    .option('--state-directory <directory>', 'its state directory; overrides stateDirectory')
    .addHelpText('after', examples)
    .action(async ({ config: path, stateDirectory }: MetricsOptions) => {
      const config = await readAgentConfig(path, { stateDirectory })
      await print(await askMetrics(statePaths(config.stateDirectory).statusSocket))
    })
}
