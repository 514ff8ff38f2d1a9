import type { Bootstrap, PublicKey } from '../../protocol/messages/enrolment.ts'
import { type SignedUrl, signedUrlExpiry } from '../../protocol/signed-url/signed-url.ts'
import type { Address } from '../connect.ts'
import type { Enrolment } from './enrolment.ts'

/** Somewhere to knock: where a hello can be posted and a welcome read, and whom to expect there. */
export interface Door extends Address {
  cluster: string
  instanceName?: string | undefined
  /** Only a bootstrap has one. */
  enrolmentSecret?: Uint8Array<ArrayBuffer> | undefined
  /** The secret counts only together with the challenge in the server's metadata. */
  needsChallenge?: boolean | undefined
  commandKey: PublicKey
  enrolmentKey: PublicKey
  hello: SignedUrl
  lobby: SignedUrl
}

/** The door that user-data has shown. */
export function doorOfBootstrap(bootstrap: Bootstrap): Door {
  return bootstrap
}

/** The door that an earlier welcome left open: its reply URL posts on the same return queue. */
export function doorOfEnrolment({ credentials, ...enrolment }: Enrolment): Door {
  const { endpoint, reply, lobby } = credentials
  return { ...enrolment, endpoint, hello: reply, lobby }
}

/**
 * Chooses where to knock. Doors whose URLs have time left go first; each further attempt tries the next, since a refused
 * URL cannot be told from a good one beforehand. Pure.
 */
export function chooseDoor(doors: readonly Door[], attempt: number, now: Date): Door | undefined {
  const isOpen = ({ hello, lobby }: Door) =>
    signedUrlExpiry(hello) > now && signedUrlExpiry(lobby) > now
  const open = doors.filter(isOpen)
  // With none open the clock may be wrong, so that knocking anyway is better than despair.
  const choice = open.length > 0 ? open : doors
  return choice[(attempt - 1) % Math.max(1, choice.length)]
}
