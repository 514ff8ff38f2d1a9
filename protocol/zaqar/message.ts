import { z } from 'zod'
import { claimIdInHref, idInHref, ServerId } from './paths.ts'

/** A message as the service gives it out. */
export interface Message {
  id: string
  /** The JSON value that was posted; not to be trusted before it was opened and checked. */
  body: unknown
  /** Since the post, by the server's clock. */
  ageSeconds: number
  ttlSeconds: number
  /** Path-only; absent in popped messages. */
  href?: string
  /** The claim that holds it, if the service says so. */
  claimId?: string
  /** How often it has been claimed, where the service counts (dead letters). */
  claimCount?: number
}

/** A message on the wire. Its id is in the href as well, and only there in older versions. */
export const WireMessage = z
  .looseObject({
    id: ServerId.optional(),
    href: z.string().optional(),
    ttl: z.number(),
    age: z.number(),
    body: z.unknown(),
    claim_id: ServerId.nullish(),
    claim_count: z.number().nullish(),
  })
  .transform((wire, context): Message => {
    const { href } = wire
    const id = wire.id ?? (href === undefined ? undefined : idInHref(href, 'messages'))
    if (id === undefined) {
      context.issues.push({ code: 'custom', message: 'a message without an id', input: wire })
      return z.NEVER
    }
    const claimId = wire.claim_id ?? (href === undefined ? undefined : claimIdInHref(href))
    return {
      id,
      body: wire.body,
      ageSeconds: wire.age,
      ttlSeconds: wire.ttl,
      ...(href === undefined ? {} : { href }),
      ...(claimId === undefined ? {} : { claimId }),
      ...(typeof wire.claim_count === 'number' ? { claimCount: wire.claim_count } : {}),
    }
  })
