import { abortable } from '../protocol/abortable.ts'
import { importKey } from '../protocol/sealing/keys.ts'
import type { World } from '../protocol/world.ts'
import { agentVersion } from './agent-version.ts'
import type { AuditTrail } from './audit/audit-trail.ts'
import type { Background } from './background.ts'
import type { ServerClock } from './clock/server-clock.ts'
import type { AgentConfig } from './config.ts'
import { keepCredentials } from './enrol/credentials-keeper.ts'
import type { Introduction } from './enrol/introduce.ts'
import { gatherFacts } from './facts.ts'
import { type ClaimLoopParts, claimLoop } from './intake/claim-loop.ts'
import { createUnjournaledRefusals } from './intake/unjournaled-refusals.ts'
import { forgetOldIds } from './journal/forget-old-ids.ts'
import type { Journal } from './journal/journal.ts'
import { Desk } from './lanes/held-command.ts'
import { createLanes } from './lanes/lanes.ts'
import { recoverCommands } from './lanes/recover-commands.ts'
import type { CarryOutParts, Operations } from './lanes/task.ts'
import type { Log } from './log.ts'
import type { AgentMetrics } from './metrics/agent-metrics.ts'
import { measureJournal, measureQueue } from './metrics/measured.ts'
import { persist } from './persist.ts'
import type { PolicyKeeper } from './policy/policy-keeper.ts'
import { createQueueAccess } from './queue-access.ts'
import { releaseMemory } from './release-memory.ts'
import { replyTo } from './reply/command-replies.ts'
import { createOutbox, type Outbox } from './reply/outbox.ts'
import { createReporter, type Reporter } from './report/reporter.ts'
import type { StatusBoard } from './status/status-board.ts'

/** What an introduced agent needs to serve its controller. */
export interface ServeParts {
  config: AgentConfig
  introduction: Introduction
  journal: Journal
  policy: PolicyKeeper
  audit: AuditTrail
  /** Told by `audit` that others have touched its log. */
  tampering: Tampering
  operations: Operations
  commandsDirectory: string
  bootId: string
  background: Background
  board: StatusBoard
  metrics: AgentMetrics
  clock: ServerClock
  world: World
  log: Log
  /** Stop claiming. */
  stop: AbortSignal
  /** Everything ends. */
  closing: AbortSignal
}

/** Alarms that are raised before there is anybody to raise them to. */
export interface Tampering {
  onTampered: (what: string) => void
}

/**
 * So many commands have output in memory at once, or twice as many as may run, where that is more: those that run on must not
 * keep back the results of others.
 */
const sendersLimit = 32

/**
 * Takes up what is owed, then serves commands until `stop`; gives those that are about to end a moment, and posts what is
 * ready.
 */
export async function serve(parts: ServeParts): Promise<void> {
  const { background, board, bootId, clock, closing, config, introduction, metrics } = parts
  const { world, log, policy, stop } = parts
  const keeper = keepCredentials(introduction.enrolment, introduction.parts, closing)
  const journal = measureJournal(parts.journal, metrics)
  await using opened = createQueueAccess(keeper, {
    ...introduction.parts,
    longestWaitSeconds: config.poll.waitSeconds,
  })
  const noteRequest: AgentMetrics['noteRequest'] = (action, outcome, seconds) => {
    metrics.noteRequest(action, outcome, seconds)
    board.noteRequest(action, outcome)
  }
  const queue = measureQueue(opened, { noteRequest }, world)
  const persistence = { keeper, lookout: introduction.parts.lookout, world, log }
  const outbox = createOutbox(queue, persistence, closing)
  const desk = new Desk()
  const facts = () =>
    gatherFacts({ desk, journal, clock, bootId, uptimeSeconds: board.uptimeSeconds() })
  const { claimsVia } = queue
  const { enrolment } = keeper
  Object.assign(board, { enrolled: enrolment, facts, claimsVia, phase: 'running' } as const)
  board.enrolment = 'enrolled'
  const carryOutParts: CarryOutParts = {
    ...persistence,
    journal,
    policy,
    audit: parts.audit,
    operations: parts.operations,
    desk,
    lanes: createLanes(() =>
      Math.min(config.lanes.concurrency, policy.limits().concurrency ?? Number.POSITIVE_INFINITY),
    ),
    senders: createLanes(() => Math.max(sendersLimit, 2 * config.lanes.concurrency)),
    commandsDirectory: parts.commandsDirectory,
    outbox,
    facts,
    clock,
    closing,
  }
  const firstSequence = journal.firstReportSequence
  const reporter = createReporter({
    ...carryOutParts,
    enrolment: keeper.enrolment,
    firstSequence,
  })

  parts.tampering.onTampered = (what) => reporter.alert('audit-tampered', `audit log: ${what}`)
  policy.subscribe(({ source, path, problem }) => {
    carryOutParts.lanes.look()
    if (source !== 'broken') return
    reporter.alert('policy-broken', `everything is refused: the policy ${path}: ${problem}`)
  })
  background.keep('post replies', outbox.run())
  background.keep('send heartbeats', reporter.beat(closing))
  background.keep('watch the credentials', keeper.watch(closing))
  const remembered = config.limits.rememberedCommands
  background.keep('forget old ids', forgetOldIds(journal, remembered, parts, closing))
  background.keep('give memory back', releaseMemory(globalThis.gc, world, closing))
  for (const ending of await recoverCommands(bootId, carryOutParts)) background.add(ending)

  log.info({ instance: introduction.enrolment.instance, agentVersion }, 'ready for commands')
  const stopClaiming = AbortSignal.any([stop, closing])
  const keys = {
    cluster: await importKey(introduction.enrolment.commandKey),
    agent: introduction.parts.identity.sealingKey,
  }
  try {
    await claimLoop(
      claimLoopParts(parts, { ...carryOutParts, ...persistence, keys, reporter, queue }),
      stopClaiming,
    )
  } catch (error) {
    if (!stopClaiming.aborted) throw error
  }
  board.phase = 'stopping'
  await finish(outbox, parts)
}

function claimLoopParts(
  { config, background, board }: ServeParts,
  carryOutParts: CarryOutParts &
    Pick<ClaimLoopParts, 'keys' | 'queue' | 'keeper' | 'lookout'> & { reporter: Reporter },
): ClaimLoopParts {
  const { keeper, queue, closing } = carryOutParts
  const acknowledge = async (ids: readonly string[]) => {
    const attempt = async () => queue.acknowledge(ids, closing)
    await persist('acknowledge messages', attempt, carryOutParts, closing)
  }
  const onCarriedOut = background.add
  return {
    ...carryOutParts,
    enrolment: keeper.enrolment,
    limits: config.limits,
    poll: config.poll,
    acknowledge,
    progress: (command, bytes) => replyTo(command, carryOutParts, closing).progress(bytes),
    onCarriedOut,
    onDropped: board.noteDrop,
    onPolled: board.notePoll,
    refusals: createUnjournaledRefusals({ ...carryOutParts, acknowledge, onCarriedOut }),
  }
}

/** Waits for commands that are about to end, and for their results to be posted, but no longer than the grace. */
async function finish(
  outbox: Outbox,
  { background, config, world, closing, log }: ServeParts,
): Promise<void> {
  const limit = new AbortController()
  const allDone = background.allEnded().then(async () => outbox.drained(limit.signal))
  allDone.catch(() => undefined)
  const graceOver = world.sleep(config.stopGraceSeconds * 1000, limit.signal)
  graceOver.catch(() => undefined)
  try {
    await abortable(Promise.race([allDone, graceOver]), closing)
  } catch (error) {
    if (!closing.aborted) throw error
  } finally {
    limit.abort()
  }
  log.info({}, 'the agent ends; commands that still run go on without it')
}
