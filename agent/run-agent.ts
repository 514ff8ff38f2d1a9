import { readNetwork } from '../protocol/network/read-network.ts'
import type { Key } from '../protocol/sealing/keys.ts'
import type { World } from '../protocol/world.ts'
import { openAudit } from './audit/open-audit.ts'
import { createBackground } from './background.ts'
import { createServerClock } from './clock/server-clock.ts'
import type { AgentConfig } from './config.ts'
import { introduce } from './enrol/introduce.ts'
import { feedWatchdog } from './feed-watchdog.ts'
import { openJournal } from './journal/journal.ts'
import type { Operations } from './lanes/task.ts'
import type { Log } from './log.ts'
import { createAgentMetrics } from './metrics/agent-metrics.ts'
import { createLookout } from './network/lookout.ts'
import { auditDirectory, ownPaths } from './own-paths.ts'
import { keepPolicy } from './policy/policy-keeper.ts'
import { closeToOthers } from './private-files.ts'
import { readBootId } from './read-boot-id.ts'
import { createPathProbe } from './runner/unresponsive-path.ts'
import { serve, type Tampering } from './serve.ts'
import { prepareStateDirectory } from './state-directory.ts'
import { serveStatus } from './status/serve-status.ts'
import { createStatusBoard } from './status/status-board.ts'

/** What the agent wants from outside, beside files and connections. */
export interface Outside {
  world: World
  log: Log
  /** The environment, which may name proxies. */
  env?: Readonly<Record<string, string | undefined>>
  /** What runs commands. It is disposed of when the agent ends; commands run on without it. */
  createOperations: (
    options: { stateDirectory: string; spoolLimitBytes: number; outputLimitBytes: number },
    world: World,
    /** Opens the secrets of commands. */
    sealingKey: Key,
  ) => Operations & AsyncDisposable
  /** Stop claiming, let end what is about to end, go. */
  stop: AbortSignal
  /** Calls back whenever the policy is to be read again: SIGHUP. */
  onReload?: (reload: () => void) => void
  /** Go at once: what is not done is done by the next start. */
  hurry: AbortSignal
}

/**
 * Runs the agent until `stop`.
 *
 * @throws {StateLockedError} another agent uses the state directory.
 * @throws {JournalUnusableError | AuditUnavailableError | StateFileInvalidError | ConfigInvalidError} it cannot start like this.
 */
export async function runAgent(config: AgentConfig, outside: Outside): Promise<void> {
  const { world, log, stop, hurry } = outside
  const { stateDirectory, limits, spool } = config
  const network = await readNetwork(config.network, outside.env ?? {})
  const paths = await prepareStateDirectory(stateDirectory)
  const secrets = [paths.journal, paths.identity, paths.credentials]
  await closeToOthers([stateDirectory, ...secrets], log)
  const bootId = await readBootId(config.bootIdPath)
  await using journal = openJournal(
    paths.journal,
    { bootId, limitBytes: limits.journalBytes },
    world,
  )
  const tampering: Tampering = {
    onTampered: (what) => log.error({ what }, 'somebody else has touched the audit log'),
  }
  const directory = auditDirectory(config)
  await using audit = openAudit({ ...config.audit, directory, tampering }, world)
  audit.trail.started(bootId)
  const policy = await keepPolicy({
    path: config.policyPath,
    ownPaths: ownPaths(config),
    probe: createPathProbe(world),
    log,
    onRead: audit.trail.policyRead,
    onObserved: audit.trail.observed,
  })
  outside.onReload?.(() => void policy.reload())
  const clock = createServerClock(world, journal)
  const board = createStatusBoard(stateDirectory, world)
  board.policy = policy.current
  const metrics = createAgentMetrics(board.read)
  await using _statusSocket = await serveStatus(paths.statusSocket, {
    status: board.read,
    metrics: metrics.render,
  })
  const closing = new AbortController()
  const watchdogEnd = new AbortController()
  await using _watchdog = runBeside(
    feedWatchdog(outside.env ?? {}, outside, watchdogEnd.signal),
    watchdogEnd,
  )
  hurry.addEventListener('abort', () => closing.abort(hurry.reason), { once: true })

  const onState = (state: string) => {
    board.enrolment = state
  }
  const lookout = createLookout(world)
  const startingParts = { journal, network, lookout, clock, world, log, onState }
  const introduction = await introduce(config, paths, startingParts, stop).catch(
    (error: unknown) => {
      if (!stop.aborted) throw error
    },
  )
  if (!introduction) return
  const operationsOptions = {
    stateDirectory,
    spoolLimitBytes: spool.outputLimitBytes,
    outputLimitBytes: limits.outputBytesPerCommand,
  }
  const { sealingKey } = introduction.parts.identity
  await using operations = outside.createOperations(operationsOptions, world, sealingKey)
  await using background = createBackground(closing, log)
  await serve({
    ...startingParts,
    config,
    introduction,
    policy,
    audit: audit.trail,
    tampering,
    operations,
    commandsDirectory: paths.commands,
    bootId,
    background,
    board,
    metrics,
    stop,
    closing: closing.signal,
  })
  if (closing.signal.aborted && !hurry.aborted) throw closing.signal.reason
}

/** Something that runs beside the agent, also while it enrols, and ends with it. */
function runBeside(running: Promise<void>, end: AbortController): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      end.abort()
      await running
    },
  }
}
