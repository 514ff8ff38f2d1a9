import { type AgentConfig, defaultConfigPath } from './config.ts'
import { secretsHomes } from './secrets/secret-files.ts'
import { statePaths } from './state-directory.ts'

/** Where packages put the agent, and what systemd reads about it: whoever writes there is the agent from its next start on. */
const installedPaths = [
  '/usr/bin/sahara-agent',
  '/usr/lib/sahara-agent',
  '/var/cache/sahara-agent',
  ...['/usr/lib', '/etc', '/run'].flatMap((root) => [
    `${root}/systemd/system/sahara-agent.service`,
    `${root}/systemd/system/sahara-agent.service.d`,
  ]),
]

/** What no command may read or write through the agent, whatever the policy says: its own keys, word, memory and code. */
export function ownPaths(config: AgentConfig): string[] {
  const { policyPath, bootstrapPath, stateDirectory, configPath = defaultConfigPath } = config
  return [
    policyPath,
    bootstrapPath,
    defaultConfigPath,
    configPath,
    stateDirectory,
    auditDirectory(config),
    ...secretsHomes(stateDirectory),
    ...installedPaths,
  ]
}

/** Where the audit log lies. */
export function auditDirectory({ audit, stateDirectory }: AgentConfig): string {
  return audit.directory ?? statePaths(stateDirectory).audit
}
