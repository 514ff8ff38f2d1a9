import type { Command, Operation } from '../../protocol/messages/command.ts'
import type { ReadOperation, WriteOperation } from '../../protocol/messages/operations.ts'
import type { Reason } from '../../protocol/messages/replies.ts'
import type { Log } from '../log.ts'
import type { PathProbe } from '../runner/unresponsive-path.ts'
import { decide } from './decide.ts'
import { examineCommand, isGoverned, listLookedAt } from './examine-command.ts'
import type { PolicyLimits } from './policy-file.ts'
import type { Question } from './question.ts'
import { type LoadedPolicy, readPolicy } from './read-policy.ts'

/** A command that the policy will not have. */
export interface PolicyRefusal {
  state: 'refused'
  reason: Reason
  rule: string
}

/** Keeps the tenant's policy, and asks it about commands. Only the file can change it, and only `reload` reads it again. */
export interface PolicyKeeper {
  current: () => LoadedPolicy
  /** Reads the file again; commands that run go on under what they were allowed by. */
  reload: () => Promise<void>
  /** Calls back with the policy, and whenever it was read again. */
  subscribe: (listener: (loaded: LoadedPolicy) => void) => void
  /** Null: it may run. */
  judge: (command: Command, operation: Operation) => Promise<PolicyRefusal | null>
  /**
   * Asks again about a file that has been opened meanwhile, by its true path: links may have been laid since `judge`.
   *
   * @returns null: it may be used.
   */
  judgeOpened: (
    command: Command,
    operation: ReadOperation | WriteOperation,
    truePath: string,
  ) => Promise<PolicyRefusal | null>
  limits: () => PolicyLimits
}

export interface PolicyKeeperParts {
  path: string
  /** Files and folders of the agent's own. */
  ownPaths: readonly string[]
  /** Asked before a path is looked at. */
  probe: PathProbe
  log: Log
  /** Told of each policy that was read. */
  onRead: (loaded: LoadedPolicy) => void
  /** Told of what was let pass because the mode is `observe`. */
  onObserved: (command: Command, rule: string) => void
}

/** Reads the policy and keeps it. */
export async function keepPolicy(parts: PolicyKeeperParts): Promise<PolicyKeeper> {
  const { path, ownPaths, log } = parts
  let loaded = await readPolicy(path, ownPaths)
  announce(loaded, parts)
  const listeners: ((loaded: LoadedPolicy) => void)[] = []
  /** A command is judged more than once. */
  const observed = new WeakSet<Command>()

  const answer = (command: Command, question: Question): PolicyRefusal | null => {
    const { policy, source, problem } = loaded
    const { allowed, rule, why, isBuiltIn } = decide(policy, question)
    if (allowed) return null
    if (policy.mode === 'observe' && !isBuiltIn) {
      if (observed.has(command)) return null
      observed.add(command)
      const message = 'the policy would refuse this command; it only observes'
      log.warn({ command: command.id, rule }, message)
      parts.onObserved(command, rule)
      return null
    }
    if (source === 'broken') {
      return refuse(
        'built-in/broken-policy',
        `the policy ${path} cannot be used (${problem}), so everything is refused`,
      )
    }
    return refuse(rule, `the instance’s policy refuses it: ${why}`)
  }

  return {
    current: () => loaded,
    limits: () => loaded.policy.limits,
    reload: async () => {
      loaded = await readPolicy(path, ownPaths)
      announce(loaded, parts)
      for (const listener of listeners) listener(loaded)
    },
    subscribe: (listener) => {
      listeners.push(listener)
      listener(loaded)
    },
    judge: async (command, operation) => {
      if (!isGoverned(operation)) return null
      // In the agent's only thread, which a dead file server would keep for ever.
      const silent = await parts.probe.findUnresponsive(() =>
        listLookedAt(operation, loaded.policy),
      )
      if (silent !== undefined) return refuseUnresponsive(silent)
      return answer(command, await examineCommand(operation, command, loaded.policy))
    },
    judgeOpened: async (command, operation, truePath) => {
      const question = await examineCommand(operation, command, loaded.policy)
      const opened = { leadsTo: truePath, names: [operation.path, truePath] }
      return answer(command, { ...question, path: opened })
    },
  }
}

function refuseUnresponsive(path: string): PolicyRefusal {
  const message = `the file system of "${path}" does not answer, so that nobody can tell where it leads; is its server down?`
  const reason = { code: 'path-unresponsive', message: message.slice(0, 4096) }
  return { state: 'refused', reason, rule: 'built-in/unresponsive' }
}

function refuse(rule: string, message: string): PolicyRefusal {
  const reason = { code: 'policy', message: message.slice(0, 4096) }
  return { state: 'refused', reason, rule }
}

function announce(loaded: LoadedPolicy, { log, onRead }: PolicyKeeperParts): void {
  const { source, path, problem, policy } = loaded
  const fields = { policy: path, mode: policy.mode, preset: policy.preset }
  if (source === 'broken')
    log.error({ ...fields, problem }, 'the policy cannot be used: everything is refused')
  else if (source === 'absent') log.warn(fields, 'there is no policy: the preset "sahara" holds')
  else log.info(fields, 'the policy was read')
  onRead(loaded)
}
