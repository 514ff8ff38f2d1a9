import { z } from 'zod'
import type { QueueLimits } from '../queue-options.ts'
import { reservedMetadata } from '../store/metadata.ts'

export type RequestBodies = ReturnType<typeof requestBodies>

/** The schemas of the bodies that depend on the limits, built once. Unknown keys are dropped, as Zaqar does. */
export function requestBodies(limits: QueueLimits) {
  return {
    postMessages: z.object({ messages: z.array(newMessage(limits)).min(1) }),
    claim: claimTimes(limits),
    metadata: reservedMetadata(limits),
  }
}

function newMessage(limits: QueueLimits) {
  return z.object({
    // JSON knows no undefined: a body that is undefined is missing.
    body: z.unknown().refine((value) => value !== undefined, 'is required'),
    ttl: z.int().min(limits.minMessageTtlSeconds).max(limits.maxMessageTtlSeconds).exactOptional(),
    delay: z.int().min(0).max(limits.maxDelaySeconds).exactOptional(),
  })
}

function claimTimes(limits: QueueLimits) {
  return z.object({
    ttl: z
      .int()
      .min(limits.minClaimTtlSeconds)
      .max(limits.maxClaimTtlSeconds)
      .default(limits.defaultClaimTtlSeconds),
    grace: z
      .int()
      .min(limits.minGraceSeconds)
      .max(limits.maxGraceSeconds)
      .default(limits.defaultGraceSeconds),
  })
}
