import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const [nonceBytes, tagBytes] = [12, 16]
const cipher = 'aes-256-gcm'
const options = { authTagLength: tagBytes }

/**
 * Seals bytes under a 256-bit content key, as a compact JWE (RFC 7516 section 7.1) with A256GCM and a fresh nonce, whose
 * encrypted key is empty: both ends know the content key, or agree on it by the header.
 *
 * At once: Web Crypto takes each step through the thread pool, for two to three times the processor time, and what else the
 * program has to do gets in between.
 */
export function sealCompact(
  bytes: Uint8Array,
  header: Readonly<Record<string, unknown>>,
  contentKey: Uint8Array,
): string {
  const encodedHeader = Buffer.from(JSON.stringify(header)).toString('base64url')
  const nonce = randomBytes(nonceBytes)
  const sealing = createCipheriv(cipher, contentKey, nonce, options).setAAD(
    Buffer.from(encodedHeader),
  )
  const sealed = sealing.update(bytes)
  // GCM is a stream cipher: nothing is left for the end, which makes the tag.
  sealing.final()
  const parts = [nonce, sealed, sealing.getAuthTag()].map((part) => part.toString('base64url'))
  return [encodedHeader, '', ...parts].join('.')
}

/**
 * Opens what `sealCompact` sealed. What the header says is proved by that, and is for the caller to judge.
 *
 * @throws truncated, altered, in another form, or sealed under another key.
 */
export function openCompact(jwe: string, contentKey: Uint8Array): Uint8Array {
  const [encodedHeader = '', noKey, ...rest] = jwe.split('.')
  const [nonce, sealed, tag, ...more] = rest.map(decodeBase64url)
  if (noKey !== '' || !nonce || !sealed || !tag || more.length > 0) {
    throw new TypeError('a compact JWE without a key of its own has four parts')
  }
  if (nonce.length !== nonceBytes) throw new TypeError('the nonce has another length')
  const opening = createDecipheriv(cipher, contentKey, nonce, options)
    .setAAD(Buffer.from(encodedHeader))
    .setAuthTag(tag)
  const bytes = opening.update(sealed)
  // Throws unless the tag is right; until then the bytes are nobody's to see.
  opening.final()
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The protected header, with nothing proved yet. @throws not a JSON object in base64url. */
export function readHeader(jwe: string): Readonly<Record<string, unknown>> {
  const end = jwe.indexOf('.')
  if (end === -1) throw new TypeError('a compact JWE has five parts')
  return parseJsonObject(decodeBase64url(jwe.slice(0, end)))
}

/** @throws not a JSON object in UTF-8. */
export function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return { ...json }
  throw new TypeError('not a JSON object')
}

/** Base64url in its one form: no padding, no white space. */
export function decodeBase64url(text: string): Uint8Array {
  const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' })
  if (bytes.length === Math.floor((text.length * 3) / 4)) return bytes
  throw new TypeError('white space or padding in base64url')
}
