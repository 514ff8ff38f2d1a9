import { type AgentConfig, defaultConfigPath } from './config.ts'
import { statePaths } from './state-directory.ts'

/** What no command may read or write through the agent, whatever the policy says: its own keys, word and memory. */
export function ownPaths(config: AgentConfig): string[] {
  const { policyPath, bootstrapPath, stateDirectory } = config
  return [policyPath, bootstrapPath, defaultConfigPath, stateDirectory, auditDirectory(config)]
}

/** Where the audit log lies. */
export function auditDirectory({ audit, stateDirectory }: AgentConfig): string {
  return audit.directory ?? statePaths(stateDirectory).audit
}
