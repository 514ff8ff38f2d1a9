import { abortable } from '../../protocol/abortable.ts'
import type { Credentials } from '../../protocol/messages/credentials.ts'
import { signedUrlExpiry } from '../../protocol/signed-url/signed-url.ts'
import { type EnrolParts, enrol, storeEnrolment } from './enrol.ts'
import type { Enrolment } from './enrolment.ts'

/** Holds the credentials that are in use, and sees to it that there are good ones. */
export interface CredentialsKeeper {
  enrolment: () => Enrolment
  credentials: () => Credentials
  /** Takes what a `credentials` command brought; false when those in use live longer. Stored when it resolves. */
  replace: (credentials: Credentials) => Promise<boolean>
  /**
   * Resolves once there are others than `refused`: from a command, or else over the lobby, which this sets off.
   *
   * @throws the signal's reason.
   */
  renewed: (refused: Credentials, signal: AbortSignal) => Promise<void>
  /** Renews over the lobby whenever the controller has not done so in band and the end is near; runs until `signal`. */
  watch: (signal: AbortSignal) => Promise<void>
}

/** Over the lobby only when in-band renewal, at half of the life, has failed for long: with this part of the life left. */
const lastPart = 0.1
/** Short-lived or ended ones must not make a hello in every moment; what is refused is renewed at once anyway. */
const shortestPauseMs = 30_000

/** @param closing ends a renewal that is under way. */
export function keepCredentials(
  first: Enrolment,
  parts: EnrolParts,
  closing: AbortSignal,
): CredentialsKeeper {
  let enrolment = first
  let change = Promise.withResolvers<void>()
  let renewal: { stop: AbortController } | undefined

  const use = (next: Enrolment) => {
    enrolment = next
    renewal?.stop.abort()
    change.resolve()
    change = Promise.withResolvers()
  }
  const renew = async () => {
    if (renewal) return
    const stop = new AbortController()
    renewal = { stop }
    try {
      const signal = AbortSignal.any([stop.signal, closing])
      use(await enrol('renew', parts, { known: enrolment, signal }))
    } catch (error) {
      // Given up: others have come in band meanwhile, or the agent is closing.
      if (!stop.signal.aborted && !closing.aborted) throw error
    } finally {
      renewal = undefined
    }
  }
  const renewed = async (refused: Credentials, signal: AbortSignal) => {
    while (enrolment.credentials === refused) {
      const changed = change.promise
      const failed = Promise.withResolvers<never>()
      renew().catch(failed.reject)
      await abortable(Promise.race([changed, failed.promise]), signal)
    }
  }

  return {
    enrolment: () => enrolment,
    credentials: () => enrolment.credentials,
    replace: async (credentials) => {
      if (lastsUntil(credentials) < lastsUntil(enrolment.credentials)) return false
      use({ ...enrolment, credentials })
      await storeEnrolment(enrolment, parts)
      return true
    },
    renewed,
    watch: async (signal) => {
      while (!signal.aborted) {
        const { credentials } = enrolment
        const renewAt = whenToRenew(credentials, parts.clock.now())
        const either = new AbortController()
        const due = parts.clock.sleepUntil(renewAt, either.signal).then(() => 'due' as const)
        try {
          const next = await abortable(Promise.race([due, change.promise]), signal)
          if (next === 'due') await renewed(credentials, signal)
        } catch (error) {
          if (!signal.aborted) throw error
        } finally {
          due.catch(() => undefined)
          either.abort()
        }
      }
    },
  }
}

function whenToRenew(credentials: Credentials, now: Date): Date {
  const endMs = lastsUntil(credentials).getTime()
  const dueMs = endMs - (endMs - now.getTime()) * lastPart
  return new Date(Math.max(dueMs, now.getTime() + shortestPauseMs))
}

/** When the first of the URLs ends. */
function lastsUntil({ claim, acknowledge, reply }: Credentials): Date {
  const ends = [claim, acknowledge, reply].map((url) => signedUrlExpiry(url).getTime())
  return new Date(Math.min(...ends))
}
