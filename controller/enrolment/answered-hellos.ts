import { createHash } from 'node:crypto'

/**
 * Which hellos were welcomed. A nonce is fresh for each hello, so that the same one again is a replay or a second delivery;
 * `sentAt` cannot tell, as a guest's clock may be wrong. In memory: after a restart an old one counts as new, once.
 */
export interface AnsweredHellos {
  /** False for one that was answered, or is being answered. */
  begin: (signingKeyId: string, nonce: Uint8Array) => boolean
  /** It was not welcomed after all, and may come again. */
  abandon: (signingKeyId: string, nonce: Uint8Array) => void
}

/** An agent says hello at its start and when its URLs have ended; each has a quota, so that none pushes out another's. */
const noncesPerKey = 64
const keysLimit = 100_000

/** Begins empty. */
export function createAnsweredHellos(): AnsweredHellos {
  const byKey = new Map<string, Set<string>>()
  return {
    begin: (signingKeyId, nonce) => {
      const nonces = byKey.get(signingKeyId) ?? new Set<string>()
      const digest = digestOf(nonce)
      if (nonces.has(digest)) return false
      keepNewest(nonces.add(digest), noncesPerKey)
      byKey.delete(signingKeyId)
      keepNewest(byKey.set(signingKeyId, nonces), keysLimit)
      return true
    },
    abandon: (signingKeyId, nonce) => {
      const nonces = byKey.get(signingKeyId)
      nonces?.delete(digestOf(nonce))
      if (nonces?.size === 0) byKey.delete(signingKeyId)
    },
  }
}

/** A nonce may be as long as a message. */
function digestOf(nonce: Uint8Array): string {
  return createHash('sha256').update(nonce).digest('base64url')
}

function keepNewest(
  kept: { size: number; keys: () => Iterator<string>; delete: (key: string) => boolean },
  limit: number,
): void {
  if (kept.size <= limit) return
  const oldest = kept.keys().next()
  if (oldest.done !== true) kept.delete(oldest.value)
}
