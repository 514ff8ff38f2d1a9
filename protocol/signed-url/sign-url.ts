import { createHmac } from 'node:crypto'
import { formatExpiry, type SignedUrl } from './signed-url.ts'

/** What a signed URL is to allow. */
export interface Grant {
  paths: readonly string[]
  methods: readonly string[]
  project: string
  expires: Date
}

/**
 * Signs a grant byte for byte as Zaqar does. Only a queue service holds the key; controllers ask it
 * to sign through `share`.
 *
 * @see openstack/zaqar zaqar/common/urls.py, create_signed_url
 */
export function signUrl(grant: Grant, key: string): SignedUrl {
  const expires = formatExpiry(grant.expires)
  return {
    paths: grant.paths.toSorted(byCodePoint),
    methods: grant.methods.toSorted(byCodePoint),
    project: grant.project,
    expires,
    signature: computeSignature({ ...grant, expires }, key),
  }
}

/**
 * The signature over a grant whose expiry is already in Zaqar's form, in lower-case hex.
 * The separator is a backslash and the letter n, two characters: Zaqar's source has it so.
 */
export function computeSignature(
  grant: Omit<Grant, 'expires'> & { expires: string },
  key: string,
): string {
  const text = [
    grant.paths.toSorted(byCodePoint).join(','),
    grant.methods.toSorted(byCodePoint).join(','),
    grant.project,
    grant.expires,
  ].join(String.raw`\n`)
  return createHmac('sha256', key).update(text, 'utf8').digest('hex')
}

/** Python sorts strings by code point, JavaScript by UTF-16 unit; they differ outside the BMP. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'))
}
