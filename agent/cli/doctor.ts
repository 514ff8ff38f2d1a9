import { Command } from 'commander'
import { readNetwork } from '../../protocol/network/read-network.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { examineAgent } from '../doctor/examine-agent.ts'
import { describeFindings } from '../doctor/finding.ts'
import { exitCodes } from '../exit-code.ts'
import { readAgentConfig } from '../read-config.ts'
import { print } from './output.ts'

interface DoctorOptions {
  config?: string
  bootstrap?: string
  stateDirectory?: string
  json?: true
}

const examples = `
Examples:
  $ sahara-agent doctor
  $ sudo sahara-agent doctor --json | jq '.[] | select(.verdict != "ok")'

Works whether or not the agent runs, and changes nothing. As another user than root it tells what it could not see.
Proxies are read from this shell's environment; a systemd unit may have another one. Exits with 1 when anything failed.`

/** `sahara-agent doctor`: looks at all that the agent needs, and says what to do. */
export function doctorCommandLine(): Command {
  return new Command('doctor')
    .description(
      'look at network, clock, disk, keys, queue, policy and audit log, and say what to do',
    )
    .option('--config <file>', 'the agent’s configuration')
    .option('--bootstrap <file>', 'what user-data wrote; overrides bootstrapPath')
    .option('--state-directory <directory>', 'its state directory; overrides stateDirectory')
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', examples)
    .action(examine)
}

async function examine({ config: path, bootstrap, stateDirectory, json }: DoctorOptions) {
  const config = await readAgentConfig(path, { bootstrapPath: bootstrap, stateDirectory })
  const network = await readNetwork(config.network, process.env)
  const findings = await examineAgent(config, network, realWorld())
  await print(json ? `${JSON.stringify(findings, null, 2)}\n` : describeFindings(findings))
  const hasFailed = findings.some(({ verdict }) => verdict === 'fail')
  process.exitCode = hasFailed ? exitCodes.failed : exitCodes.ok
}
