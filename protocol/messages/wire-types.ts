import { z } from 'zod'

/** A moment: ISO 8601 in UTC on the wire, a `Date` in our code. */
export const Instant = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
})

/** Bytes: base64url without padding on the wire (RFC 4648 section 5). */
export const Bytes = z.codec(z.base64url(), z.instanceof(Uint8Array<ArrayBuffer>), {
  decode: (text) => Uint8Array.fromBase64(text, { alphabet: 'base64url' }),
  encode: (bytes) => bytes.toBase64({ alphabet: 'base64url', omitPadding: true }),
})

/** A SHA-256 digest in lower-case hex. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** The name of a cluster or an instance: a DNS label, so that it can stand in paths, prompts and host names. */
export const Name = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'use 1 to 63 of a-z, 0-9 and - (not first or last)',
  )

/** The version of every message in this folder. A peer that meets another one refuses that message, and goes on. */
export const protocolVersion = 1
