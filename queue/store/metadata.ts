import { z } from 'zod'
import type { QueueLimits } from '../queue-options.ts'

/** What people said about a queue; keys that begin with `_` are reserved, the others mean nothing to us. */
export const Metadata = z.record(z.string(), z.unknown())
export type Metadata = z.output<typeof Metadata>

/** A name that Zaqar accepts for a queue. */
export const QueueNameText = z.string().regex(/^[a-zA-Z0-9_.-]{1,64}$/)

/** What the reserved metadata of a queue comes to, defaults filled in. */
export interface QueueSettings {
  messageTtlSeconds: number
  /** 0 means that the queue knows no delays at all, whatever its messages ask for. */
  delaySeconds: number
  maxPostBytes: number
  /** Together with a dead-letter queue: claimed this often, a message goes there instead of out again. */
  maxClaimCount: number | undefined
  deadLetterQueue: string | undefined
  deadLetterTtlSeconds: number | undefined
}

/** The reserved keys and what they may hold; null stands for the default. */
export function reservedMetadata(limits: QueueLimits) {
  const ttl = z.int().min(limits.minMessageTtlSeconds).max(limits.maxMessageTtlSeconds)
  return z.looseObject({
    _default_message_ttl: ttl.nullish(),
    _default_message_delay: z.int().min(0).max(limits.maxDelaySeconds).nullish(),
    _max_messages_post_size: z.int().min(1).max(limits.maxPostBytes).nullish(),
    _max_claim_count: z.int().min(1).nullish(),
    _dead_letter_queue: QueueNameText.nullish(),
    _dead_letter_queue_messages_ttl: ttl.nullish(),
    _flavor: z.string().nullish(),
    _retry_policy: z.record(z.string(), z.unknown()).nullish(),
    // Whoever asks for encryption at rest must not silently get none.
    _enable_encrypt_messages: z.literal(false, 'encryption at rest is not offered here').nullish(),
  })
}

/** The metadata as a reader sees it: the reserved keys are always there. */
export function showMetadata(metadata: Metadata, limits: QueueLimits): Metadata {
  return {
    _max_messages_post_size: limits.maxPostBytes,
    _default_message_ttl: limits.defaultMessageTtlSeconds,
    _default_message_delay: 0,
    _dead_letter_queue: null,
    _dead_letter_queue_messages_ttl: null,
    _max_claim_count: null,
    _enable_encrypt_messages: false,
    ...metadata,
  }
}

/**
 * Reads settings out of metadata. It was checked when it was stored; if an operator has lowered the
 * limits since, the defaults hold.
 */
export function settingsReader(limits: QueueLimits): (metadata: Metadata) => QueueSettings {
  const schema = reservedMetadata(limits)
  const defaults = toSettings({}, limits)
  return (metadata) => {
    if (isEmpty(metadata)) return defaults
    return toSettings(schema.safeParse(metadata).data ?? {}, limits)
  }
}

function toSettings(
  given: z.output<ReturnType<typeof reservedMetadata>>,
  limits: QueueLimits,
): QueueSettings {
  return {
    messageTtlSeconds: given._default_message_ttl ?? limits.defaultMessageTtlSeconds,
    delaySeconds: given._default_message_delay ?? 0,
    maxPostBytes: given._max_messages_post_size ?? limits.maxPostBytes,
    maxClaimCount: given._max_claim_count ?? undefined,
    deadLetterQueue: given._dead_letter_queue ?? undefined,
    deadLetterTtlSeconds: given._dead_letter_queue_messages_ttl ?? undefined,
  }
}

export function parseMetadata(text: string): Metadata {
  return text === '{}' ? {} : Metadata.parse(JSON.parse(text))
}

function isEmpty(metadata: Metadata): boolean {
  for (const _ in metadata) return false
  return true
}
