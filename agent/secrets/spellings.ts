import { secretMinBytes } from '../../protocol/messages/secrets.ts'

/** Lines of a secret that are at least this long, in bytes, are secrets by themselves. */
const lineMinBytes = 8

/**
 * How a secret may be written in output: as it is, without the white space around it, each of its lines, and as the encodings
 * have it that programs print by themselves: base64 (wherever it begins in what is encoded), hex, URLs, JSON, XML, a shell's
 * quotes, and a terminal's line ends. Pure.
 *
 * @returns each at least `secretMinBytes` long, none twice.
 */
export function spellingsOf(secret: Uint8Array): Uint8Array[] {
  const whole = Buffer.from(secret)
  const trimmed = Buffer.from(whole.toString('latin1').trim(), 'latin1')
  const found = new Map<string, Buffer>()
  const add = (spelling: Buffer) => {
    if (spelling.length >= secretMinBytes) found.set(spelling.toString('latin1'), spelling)
  }
  for (const value of [whole, trimmed]) {
    add(value)
    for (const text of [...inBase64(value), ...inHex(value), ...inUrls(value)]) {
      add(Buffer.from(text))
    }
    for (const text of inLines(value)) add(Buffer.from(text))
    for (const text of asText(value)) add(Buffer.from(text))
  }
  for (const line of linesOf(trimmed)) add(line)
  return [...found.values()]
}

/**
 * The characters that the secret alone decides, for each of the three places at which it may begin in a group of three bytes.
 * What stands before and after it changes the others.
 */
function inBase64(value: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), value]).toString('base64')
    const first = Math.ceil((shift * 8) / 6)
    const end = Math.floor(((shift + value.length) * 8) / 6)
    const own = encoded.slice(first, end)
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

/** As `base64`, `openssl` and `xxd` break the encoding of a whole file into lines. */
function inLines(value: Buffer): string[] {
  const base64 = value.toString('base64')
  return [
    ...(base64.match(/.{1,76}/g) ?? []),
    ...(base64.match(/.{1,64}/g) ?? []),
    ...(value.toString('hex').match(/.{1,60}/g) ?? []),
  ]
}

function inHex(value: Buffer): string[] {
  const hex = value.toString('hex')
  return [hex, hex.toUpperCase()]
}

/** Every library has its own mind about what need not be escaped. */
function inUrls(value: Buffer): string[] {
  const strict = percent(value, /[^A-Za-z0-9._~-]/g)
  return [
    strict,
    strict.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    percent(value, /[^A-Za-z0-9._~/-]/g),
    percent(value, /[^A-Za-z0-9._~!'()*-]/g),
    percent(value, /[^A-Za-z0-9._*-]/g).replaceAll('%20', '+'),
  ]
}

function percent(value: Buffer, escaped: RegExp): string {
  return value.toString('latin1').replaceAll(escaped, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })
}

/** What only a text can be written as. */
function asText(value: Buffer): string[] {
  const text = value.toString()
  if (!Buffer.from(text).equals(value)) return []
  const json = JSON.stringify(text).slice(1, -1)
  const xml = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return [
    json,
    json.replaceAll('/', '\\/'),
    json.replaceAll(/[\u0080-\uffff]/g, asUnicodeEscape),
    xml,
    xml.replaceAll('"', '&quot;').replaceAll("'", '&#39;'),
    xml.replaceAll('"', '&quot;').replaceAll("'", '&apos;'),
    text.replaceAll("'", `'\\''`),
    text.replaceAll(/\r?\n/g, '\r\n'),
  ]
}

function asUnicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Programs print the lines of a key indented, numbered, or one by one. */
function linesOf(value: Buffer): Buffer[] {
  const lines = value.toString('latin1').split(/[\r\n]+/)
  if (lines.length < 2) return []
  return lines
    .map((line) => Buffer.from(line.trim(), 'latin1'))
    .filter((line) => line.length >= lineMinBytes)
}
