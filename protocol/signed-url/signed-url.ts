import { z } from 'zod'

/**
 * A Zaqar signed URL: the right to use `methods` on `paths` of one project until `expires`.
 * The signature is a bearer secret: whoever holds it has the right.
 *
 * @see openstack/zaqar zaqar/common/urls.py
 */
export const SignedUrl = z.looseObject({
  /** Request paths, such as `/v2/queues/NAME/messages`. */
  paths: z.array(z.string().startsWith('/')).min(1),
  /** HTTP methods in upper case; each is allowed on each path. */
  methods: z.array(z.string().regex(/^[A-Z]+$/)).min(1),
  /** The Keystone project whose queues these are. */
  project: z.string().min(1).max(256),
  /** UTC to the second without a zone, as Zaqar writes it: `YYYY-MM-DDTHH:MM:SS`. */
  expires: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/),
  /** HMAC-SHA256 in lower-case hex. */
  signature: z.string().regex(/^[0-9a-f]{64}$/),
})
export type SignedUrl = z.output<typeof SignedUrl>

/** When the URL's time is over. */
export function signedUrlExpiry(url: Pick<SignedUrl, 'expires'>): Date {
  return new Date(`${url.expires}Z`)
}

/** Writes a moment as Zaqar signs it: UTC, whole seconds (rounded down), no zone. */
export function formatExpiry(expires: Date): string {
  return expires.toISOString().slice(0, 19)
}
