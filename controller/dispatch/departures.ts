import { abortable } from '../../protocol/abortable.ts'
import {
  BadRequestError,
  MessageTooLargeError,
  QueueUnreachableError,
  RateLimitedError,
  ZaqarError,
} from '../../protocol/zaqar/errors.ts'
import { isRetryable } from '../../protocol/zaqar/judge-failure.ts'
import { backoffDelayMs } from '../../protocol/zaqar/retry.ts'
import type { ContentStore } from '../contents/content-store.ts'
import type { Context } from '../context.ts'
import { StoreWriteError } from '../errors.ts'
import { markAllMayHaveLeft } from '../store/command-changes.ts'
import {
  listCommandsWithContentLeft,
  listInstancesWithQueued,
  listQueuedCommands,
  type StoredCommand,
} from '../store/commands.ts'
import { type Instance, readInstance } from '../store/instances.ts'
import { createAgentKeys } from './agent-keys.ts'
import {
  bookPosted,
  endUnpostable,
  noteUnclearPost,
  type PostParts,
  postCommands,
} from './post-commands.ts'
import { type ContentSenders, startContentSenders } from './send-content.ts'
import { createSlots, type Slots } from './slots.ts'

/**
 * Takes queued commands to the queue service: of one instance in order, of many instances at once. It works when it is
 * woken and while something waits, and tries for ever while a command may still be begun.
 */
export interface Departures extends AsyncDisposable {
  /** Something was queued for this instance. */
  wake: (instanceId: string) => void
  /** Whether a POST of this command is being made: it can neither be cancelled nor expire quietly meanwhile. */
  isUnderWay: (commandId: string) => boolean
}

/** Commands that one round takes at most. */
const roundLimit = 64

/** Goes on where the last run of the program stopped: what it may have posted half is posted again. */
export async function startDepartures(
  context: Context,
  contents: ContentStore,
): Promise<Departures> {
  const { config, store } = context
  await store.write(() => markAllMayHaveLeft(store, config.lostMarginSeconds * 1000))
  const stop = new AbortController()
  const slots = createSlots(config.limits.postsAtOnce)
  const senders = startContentSenders(context, contents, slots, stop.signal)
  const underWay = new Set<string>()
  const lines = new Map<string, Running>()
  const parts = {
    context,
    slots,
    senders,
    underWay,
    agentKeys: createAgentKeys(),
    signal: stop.signal,
  }

  const wake = (instanceId: string) => {
    if (stop.signal.aborted) return
    const running = lines.get(instanceId)
    if (running) {
      running.bell.isRung = true
      return
    }
    const bell = { isRung: false }
    const ended = serveInstance({ ...parts, bell }, instanceId).finally(() => {
      lines.delete(instanceId)
      // Between its last look and this moment.
      if (bell.isRung) wake(instanceId)
    })
    lines.set(instanceId, { bell, ended })
  }
  for (const command of listCommandsWithContentLeft(store)) senders.send(command)
  for (const instanceId of listInstancesWithQueued(store)) wake(instanceId)

  return {
    wake,
    isUnderWay: (commandId) => underWay.has(commandId),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.allSettled([...lines.values()].map(({ ended }) => ended))
      await senders[Symbol.asyncDispose]()
    },
  }
}

interface Line extends PostParts {
  slots: Slots
  senders: ContentSenders
  underWay: Set<string>
  /** Rung when something was queued since the line last looked: a look is a query, and most find nothing. */
  bell: { isRung: boolean }
}

/** What posts for an instance at present. */
interface Running {
  bell: Line['bell']
  ended: Promise<void>
}

/** Posts what waits for one instance, until nothing does. */
async function serveInstance(line: Line, instanceId: string): Promise<void> {
  const { bell, context, signal } = line
  const { world, log } = context
  let failures = 0
  // After a refusal commands go one by one, so that one which cannot be posted does not hold up the others.
  let limit = roundLimit
  while (!signal.aborted) {
    bell.isRung = false
    const round = takeRound(line, instanceId, limit)
    if (round === undefined) return
    try {
      const { clusterId } = round.instance
      const { booked } = await line.slots.use(
        clusterId,
        async () => await postCommands(line, round),
      )
      // When all ends, closing the store books it.
      await abortable(booked, signal)
      release(line, round)
      if (round.commands.length < limit && !bell.isRung) return
      failures = 0
      limit = roundLimit
    } catch (error) {
      if (signal.aborted) return
      const settled = await settleFailedRound(line, round, error)
      limit = settled.limit
      if (error instanceof MessageTooLargeError && settled.isBooked) {
        // Nobody has to be given time: the command ends, and the next is posted.
        log.warn({ err: error, instance: instanceId }, 'a command is too large to be posted')
        continue
      }
      failures += 1
      const delayMs = backoffDelayMs(failures, world.random, { baseMs: 100, capMs: 15_000 })
      log.warn({ err: error, instance: instanceId, delayMs }, 'commands could not be posted')
      await world.sleep(delayMs, signal).catch(() => undefined)
    }
  }
}

interface Round {
  instance: Instance
  commands: StoredCommand[]
}

/** Reads and marks in one turn, so that no cancel can come in between. */
function takeRound(line: Line, instanceId: string, limit: number): Round | undefined {
  const round = readRound(line.context, instanceId, limit)
  for (const { id } of round?.commands ?? []) line.underWay.add(id)
  return round
}

function readRound(
  { store, world }: Context,
  instanceId: string,
  limit: number,
): Round | undefined {
  const commands = listQueuedCommands(store, instanceId, { now: world.now(), limit })
  if (commands.length === 0) return undefined
  const instance = readInstance(store, instanceId)
  return instance && { instance, commands }
}

function release({ underWay }: Line, { commands }: Round): void {
  for (const { id } of commands) underWay.delete(id)
}

/** No connection came about, so that nothing can have been taken. */
function neverConnected(error: unknown): boolean {
  if (!(error instanceof QueueUnreachableError)) return false
  return error.reason === 'refused' || error.reason === 'dns' || error.reason === 'tls'
}

/** Books what a failed round means, and gives the limit of the next one. */
async function settleFailedRound(
  line: Line,
  round: Round,
  error: unknown,
): Promise<{ limit: number; isBooked: boolean }> {
  const verdict = judgeRound(error)
  const limit = verdict === 'impossible' ? 1 : roundLimit
  try {
    if (verdict === 'unclear') await noteUnclearPost(line.context, round.commands)
    if (verdict === 'impossible' && round.commands.length === 1) await giveUp(line, round, error)
  } catch (storeError) {
    // Not released: as long as the store does not know that they may have left, nobody may say they have not.
    line.context.log.error({ err: storeError }, 'a failed post could not be noted')
    return { limit, isBooked: false }
  }
  release(line, round)
  return { limit, isBooked: true }
}

/** One that may have left by an earlier POST may be running: its agent's answer ends it, or that none comes. */
async function giveUp(line: Line, { commands }: Round, error: unknown): Promise<void> {
  const mayRun = commands.some(({ mayHaveLeft }) => mayHaveLeft)
  await (mayRun ? bookPosted(line, commands, false) : endUnpostable(line.context, commands, error))
}

/**
 * - `unclear`: the queue service may have taken the commands.
 * - `refused`: it has not, and may later: it was not there, our right or its address is wrong, or it asks for patience.
 * - `impossible`: it never will take one of them, or one of them cannot be sealed.
 */
function judgeRound(error: unknown): 'unclear' | 'refused' | 'impossible' {
  if (error instanceof StoreWriteError) return 'unclear'
  if (error instanceof RateLimitedError || neverConnected(error)) return 'refused'
  if (isRetryable(error)) return 'unclear'
  if (error instanceof BadRequestError || error instanceof MessageTooLargeError) return 'impossible'
  return error instanceof ZaqarError ? 'refused' : 'impossible'
}
