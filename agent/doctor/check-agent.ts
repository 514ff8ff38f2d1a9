import type { AgentConfig } from '../config.ts'
import { AgentNotRunningError, FileUnreadableError } from '../errors.ts'
import { ownPaths } from '../own-paths.ts'
import { readPolicy } from '../policy/read-policy.ts'
import { findControlGroupHome } from '../runner/control-group.ts'
import { askStatus } from '../status/ask-status.ts'
import { describeFailure } from '../status/queue-failures.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Whether an agent runs here, and how it stands. */
export async function checkAgent(socketPath: string): Promise<Finding> {
  try {
    const { phase, enrolment, running, owed, pid, queueFailures } = await askStatus(socketPath)
    const detail = `pid ${pid}, ${phase}, ${running.length} commands running now, ${owed} results owed`
    if (queueFailures.length > 0) {
      const failures = queueFailures.map(describeFailure).join('; ')
      return warn(
        'agent',
        `${detail}; ${failures}`,
        'look at the queue, below, and at the agent’s log',
      )
    }
    if (phase !== 'enrolling') return ok('agent', detail)
    return warn('agent', `${detail}; it is ${enrolment}`, 'the controller has not welcomed it yet')
  } catch (error) {
    if (error instanceof FileUnreadableError)
      return warn('agent', error.message, 'run doctor as root')
    if (!(error instanceof AgentNotRunningError)) throw error
    return warn('agent', error.message, 'systemctl start sahara-agent')
  }
}

/** Whether the tenant's policy can be read. */
export async function checkPolicy(config: AgentConfig): Promise<Finding> {
  const { source, path, policy, problem } = await readPolicy(config.policyPath, ownPaths(config))
  switch (source) {
    case 'broken':
      return fail('policy', `${path}: ${problem}; everything is refused`, 'correct the file')
    case 'absent':
      return ok('policy', `${path} does not exist: the preset "${policy.preset}" holds`)
    case 'file': {
      const detail = `${path}: preset "${policy.preset}", ${policy.rules.length} rules, ${policy.mode}`
      if (policy.mode === 'enforce') return ok('policy', detail)
      return warn(
        'policy',
        `${detail}: nothing is refused`,
        'set mode: enforce when you have seen enough',
      )
    }
  }
}

/** By what commands are held together. Control groups are seen here; that the agent may make some, its unit sees to. */
export function checkRunner(): Finding {
  if (findControlGroupHome() !== undefined) return ok('runner', 'control groups (v2) are there')
  return warn(
    'runner',
    'no control groups (v2): a command’s processes are found by their session and environment',
    'boot with the unified cgroup hierarchy, as systemd has it by default',
  )
}
