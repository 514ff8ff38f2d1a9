import { z } from 'zod'
import { SignedUrl } from '../signed-url/signed-url.ts'

/**
 * What lets an instance reach its queues, and nothing else: one signed URL per right, never a broad one, because in one
 * signed URL every method applies to every path.
 */
export const Credentials = z.looseObject({
  /** Where the queue service answers, such as `https://zaqar.example:8888`; without `/v2`. */
  endpoint: z.url({ protocol: /^https?$/ }),
  /** `claims` of its command queue: POST, PATCH, DELETE. */
  claim: SignedUrl,
  /** `messages` of its command queue: DELETE. */
  acknowledge: SignedUrl,
  /** `messages` of the return queue: POST. */
  reply: SignedUrl,
  /** `messages` of the cluster's lobby: GET. */
  lobby: SignedUrl,
  /** A gateway that long-polls in front of a service which cannot; agents go around it when it is down. */
  gateway: z.exactOptional(z.url({ protocol: /^https?$/ })),
})
export type Credentials = z.output<typeof Credentials>

export const credentialsShape = {
  name: z.literal('credentials'),
  credentials: Credentials,
} as const

/** Replaces the signed URLs, sent long before the old ones expire. */
export const CredentialsOperation = z.looseObject(credentialsShape)
export type CredentialsOperation = z.output<typeof CredentialsOperation>
