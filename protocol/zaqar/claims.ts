import { z } from 'zod'
import { ClaimLostError, ReplyUnparsableError } from './errors.ts'
import { type Message, WireMessage } from './message.ts'
import { idInHref, queuePath, withQuery } from './paths.ts'
import type { Answer, CallOptions, ClaimRef, Transport } from './transport.ts'

/** How messages are claimed. */
export interface ClaimOptions extends CallOptions {
  /** 1 to 20 messages at most. Default 10. */
  limit?: number | undefined
  /** How long the claim holds them, 60 to 43 200. Default 300. */
  ttlSeconds?: number | undefined
  /** Messages are prolonged to the claim's end plus this, 60 to 43 200. Default 60; see `renewClaim`. */
  graceSeconds?: number | undefined
  /** How long the server may hold the request open until a message comes. Stock Zaqar ignores it. Default 0. */
  waitSeconds?: number | undefined
}

/** A message under a claim. */
export interface ClaimedMessage extends Message {
  claimId: string
}

/** What a claim request brought: a claim, or nothing to claim. */
export type ClaimResult = ClaimFound | ClaimEmpty

interface ClaimTiming {
  /** Whether the server honoured `waitSeconds` (RFC 7240's Preference-Applied). */
  waited: boolean
  /** From the `Date` header. */
  serverTime: Date | undefined
}

/** Messages, and the claim that holds them; it can be handed to the other calls as it is. */
export interface ClaimFound extends ClaimTiming {
  claimId: string
  /** When the claim ends at the latest, by our monotonic clock, in milliseconds. */
  deadlineMs: number
  messages: ClaimedMessage[]
}

/** There was nothing to claim. */
export interface ClaimEmpty extends ClaimTiming {
  claimId: undefined
  messages: []
}

/** A claim as the service sees it. */
export interface ClaimState {
  ageSeconds: number
  ttlSeconds: number
  messages: Message[]
}

/** What can be done with claims. Errors: see `errors.ts`. */
export interface ClaimCalls {
  /**
   * Claims messages, oldest first, and hides them from other claimers. Stock Zaqar can hand a
   * claimed message to a second claimer: remove duplicates by an id of your own in the body.
   *
   * @throws {QueueUnreachableError} no answer came; messages may stay hidden for `ttlSeconds`.
   */
  claimMessages: (queue: string, options?: ClaimOptions) => Promise<ClaimResult>
  /** @throws {ClaimLostError} */
  getClaim: (queue: string, claim: ClaimRef, options?: CallOptions) => Promise<ClaimState>
  /**
   * Starts the claim's time again; returns its new deadline. On stock Zaqar, only this really prolongs a message
   * that would end before the claim does: renew before the message's own end.
   *
   * @throws {ClaimLostError}
   */
  renewClaim: (
    queue: string,
    claim: ClaimRef,
    times: { ttlSeconds: number; graceSeconds?: number | undefined },
    options?: CallOptions,
  ) => Promise<{ claimId: string; deadlineMs: number }>
  /** Hands the messages back at once. A claim that is gone has done so already, and is no error. */
  releaseClaim: (queue: string, claim: ClaimRef, options?: CallOptions) => Promise<void>
}

const defaultGraceSeconds = 60

/** The calls about claims, over a transport. */
export function claimCalls(send: Transport): ClaimCalls {
  return {
    claimMessages: async (queue, options = {}) => {
      const { limit = 10, ttlSeconds = 300, graceSeconds = defaultGraceSeconds } = options
      const call = {
        action: `claim messages of queue "${queue}"`,
        method: 'POST',
        path: withQuery(queuePath(queue, 'claims'), { limit }),
        body: JSON.stringify({ ttl: ttlSeconds, grace: graceSeconds }),
        waitSeconds: options.waitSeconds,
        isOnce: true,
        expect: [201, 204],
      } as const
      const answer = await send(call, options)
      const timing = { waited: wasWaitApplied(answer), serverTime: answer.serverTime }
      if (answer.status === 204) return { claimId: undefined, messages: [], ...timing }
      const { claimId, messages } = readClaimed(call.action, answer)
      return { claimId, deadlineMs: deadline(answer, ttlSeconds), messages, ...timing }
    },
    getClaim: async (queue, claim, options) => {
      const path = queuePath(queue, 'claims', claim.claimId)
      const action = `read a claim of queue "${queue}"`
      const answer = await send({ action, method: 'GET', path, claim, expect: [200] }, options)
      return answer.parse(WireClaim)
    },
    renewClaim: async (queue, claim, times, options) => {
      const { ttlSeconds, graceSeconds = defaultGraceSeconds } = times
      const path = queuePath(queue, 'claims', claim.claimId)
      // Both are always sent: Zaqar puts its defaults, not the old values, for what is missing.
      const body = JSON.stringify({ ttl: ttlSeconds, grace: graceSeconds })
      const action = `renew a claim of queue "${queue}"`
      const answer = await send(
        { action, method: 'PATCH', path, body, claim, expect: [204] },
        options,
      )
      return { claimId: claim.claimId, deadlineMs: deadline(answer, ttlSeconds) }
    },
    releaseClaim: async (queue, claim, options) => {
      const path = queuePath(queue, 'claims', claim.claimId)
      const action = `release a claim of queue "${queue}"`
      try {
        await send({ action, method: 'DELETE', path, claim, expect: [204] }, options)
      } catch (error) {
        if (!(error instanceof ClaimLostError)) throw error
      }
    },
  }
}

/** The claim's id is only in `Location` and in the hrefs; a proxy may drop or rewrite the first. */
function readClaimed(
  action: string,
  answer: Answer,
): { claimId: string; messages: ClaimedMessage[] } {
  const { messages } = answer.parse(ClaimedList)
  const location = answer.header('location')
  const claimId =
    (location === undefined ? undefined : idInHref(location, 'claims')) ??
    messages.find((message) => message.claimId !== undefined)?.claimId
  if (claimId === undefined) {
    throw new ReplyUnparsableError(action, 'it names no claim', { status: answer.status })
  }
  return { claimId, messages: messages.map((message) => ({ ...message, claimId })) }
}

function wasWaitApplied(answer: Answer): boolean {
  return /(?:^|[,;\s])wait(?:$|[=,;\s])/i.test(answer.header('preference-applied') ?? '')
}

/** Counted from the answer: after a long poll the request may be older than the claim. */
function deadline(answer: Answer, ttlSeconds: number): number {
  return answer.receivedAtMs + ttlSeconds * 1000
}

const ClaimedList = z.looseObject({ messages: z.array(WireMessage) })

const WireClaim = z
  .looseObject({ age: z.number(), ttl: z.number(), messages: z.array(WireMessage).default([]) })
  .transform(
    ({ age, ttl, messages }): ClaimState => ({ ageSeconds: age, ttlSeconds: ttl, messages }),
  )
