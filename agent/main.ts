#!/usr/bin/env node
import { Command } from 'commander'
import { agentVersion } from './agent-version.ts'
import { auditCommandLine } from './cli/audit.ts'
import { doctorCommandLine } from './cli/doctor.ts'
import { metricsCommandLine } from './cli/metrics.ts'
import { reportError } from './cli/output.ts'
import { policyCommandLine } from './cli/policy.ts'
import { runCommandLine } from './cli/run.ts'
import { statusCommandLine } from './cli/status.ts'
import { exitCodeHelp, exitCodes } from './exit-code.ts'

const examples = `
Examples:
  $ sahara-agent run --config /etc/sahara-agent/agent.yaml
  $ sahara-agent status --json
  $ sahara-agent run --help`

const program = new Command('sahara-agent')
  .description('The guest agent: carries out signed commands that come over a Zaqar queue.')
  .version(agentVersion)
  .addHelpText('after', `${examples}\n${exitCodeHelp}`)
  .addCommand(runCommandLine())
  .addCommand(statusCommandLine())
  .addCommand(metricsCommandLine())
  .addCommand(doctorCommandLine())
  .addCommand(policyCommandLine())
  .addCommand(auditCommandLine())

const nested = program.commands.flatMap(({ commands }) => commands)
for (const command of [program, ...program.commands, ...nested]) {
  command.exitOverride(({ exitCode }) =>
    process.exit(exitCode === 0 ? exitCodes.ok : exitCodes.misused),
  )
}

// No top-level await: the bundle is CommonJS, which starts faster (docs/performance.md).
program.parseAsync().catch((error: unknown) => process.exit(reportError(error)))
