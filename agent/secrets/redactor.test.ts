import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { secretMinBytes } from '../../protocol/messages/secrets.ts'
import { createRedactor } from './redactor.ts'
import { spellingsOf } from './spellings.ts'

describe('a redactor', () => {
  test.for([
    ['a secret', ['hunter2'], 'password: hunter2\n', 'password: ***\n'],
    ['nothing else', ['hunter2'], 'hunter1 hunter', 'hunter1 ***'],
    ['two secrets side by side', ['hunter2', 'swordfish'], 'hunter2swordfish!', '******!'],
    ['secrets that overlap, as a whole', ['abcdef', 'defghi'], 'xabcdefghix', 'x***x'],
    ['a secret inside another', ['abcdefgh', 'cdef'], 'abcdefgh cdef', '*** ***'],
    ['a longer one whose beginning is another', ['abcd', 'abcdef'], 'abcdeX', '***eX'],
    ['one that overlaps itself', ['aaaa'], 'aaaaaaX', '***X'],
    ['a cut-off one at the end, from four bytes on', ['hunter2'], 'hunt', '***'],
    ['not three bytes at the end', ['hunter2'], 'hun', 'hun'],
  ] as const)('takes out %s', ([, secrets, text, expected]) => {
    for (const size of [1, 2, 3, 5, 100]) expect(redact(secrets, cut(text, size))).toBe(expected)
  })

  test('gives the same whatever the pieces, and never a secret', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: letter, minLength: secretMinBytes, maxLength: 12 }), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.infiniteStream(fc.nat({ max: 6 })),
        fc.array(fc.oneof(fc.nat({ max: 3 }), fc.string({ unit: letter, maxLength: 9 })), {
          maxLength: 20,
        }),
        (secrets, sizes, words) => {
          const text = words.map((word) => secrets[Number(word)] ?? String(word)).join('')
          const pieces: string[] = []
          for (let rest = text; rest !== ''; ) {
            const size = sizes.next().value ?? 1
            pieces.push(rest.slice(0, size))
            rest = rest.slice(size)
          }
          const whole = redact(secrets, [text])
          expect(redact(secrets, pieces)).toBe(whole)
          expect(whole).toBe(redactSlowly(secrets, text))
          for (const secret of secrets) expect(whole).not.toContain(secret)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('never shows a secret, however often the program pauses, and holds little back then', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: letter, minLength: secretMinBytes, maxLength: 8 }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.array(fc.tuple(fc.string({ unit: letter, maxLength: 5 }), fc.boolean()), {
          maxLength: 30,
        }),
        (secrets, pieces) => {
          const redactor = createRedactor(secrets.map((secret) => Buffer.from(secret)))
          const out: Uint8Array[] = []
          for (const [text, pauses] of pieces) {
            out.push(redactor.push(Buffer.from(text)))
            if (pauses) out.push(redactor.pause())
          }
          out.push(redactor.end())
          const shown = Buffer.concat(out).toString()
          for (const secret of secrets) expect(shown).not.toContain(secret)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('shows a prompt that ends like a secret begins once the program waits, and not the rest of the secret after it', () => {
    const redactor = createRedactor([Buffer.from('hunter2')])
    const push = (text: string) => Buffer.from(redactor.push(Buffer.from(text))).toString()
    expect(push('go on? [y/n] h')).toBe('go on? [y/n] ')
    expect(redactor.hasPause()).toBe(true)
    expect(Buffer.from(redactor.pause()).toString()).toBe('h')
    expect(redactor.hasPause()).toBe(false)
    expect(push('unter2 ok')).toBe('*** ok')
    expect(push('hunt')).toBe('')
    expect(redactor.hasPause()).toBe(false)
    expect(push('!')).toBe('hunt!')
  })
})

describe('the spellings of a secret', () => {
  const secret = 'pä$$ <"w0rd">/\'&+?~\nsecond line\n'
  const bytes = Buffer.from(secret)
  test.for([
    ['as it is', secret],
    ['without its last line end', secret.trim()],
    ['on a terminal', secret.replaceAll('\n', '\r\n')],
    ['one line alone', 'second line'],
    ['in base64', bytes.toString('base64')],
    ['in base64 behind a user name', Buffer.from(`u:${secret}`).toString('base64')],
    ['in base64 behind a longer one', Buffer.from(`me:${secret}!`).toString('base64')],
    ['in base64 for URLs', Buffer.from(`me:${secret}`).toString('base64url')],
    ['in hex', bytes.toString('hex')],
    ['in a URL', encodeURIComponent(secret)],
    ['in a strict URL, in lower case', percentOf(bytes)],
    ['in a form', new URLSearchParams({ secret }).toString()],
    ['in JSON', JSON.stringify({ secret })],
    ['in a shell’s quotes', secret.replaceAll("'", "'\\''")],
  ] as const)('are redacted %s', ([, text]) => {
    const out = redactBy(spellingsOf(bytes), [`<${text}>`])
    expect(out).toContain('***')
    expect(out).not.toMatch(/w0rd|second|c2Vjb25k|NlY29uZ|zZWNvbm/)
  })

  test('are redacted in the lines into which base64 breaks a long one', () => {
    const key = Buffer.from(Array.from({ length: 400 }, (_, index) => (index * 37) % 251))
    for (const width of [64, 76]) {
      const lines = key.toString('base64').match(new RegExp(`.{1,${width}}`, 'g')) ?? []
      const out = redactBy(spellingsOf(key), [`${lines.join('\n')}\n`])
      expect(out).toMatch(/^(\*\*\*\n)+$/)
    }
  })

  test('are those of bytes that are no text, too', () => {
    const binary = Buffer.from([0xff, 0x00, 0xfe, 0x80, 0x0a, 0x41])
    expect(redactBy(spellingsOf(binary), [`x${binary.toString('hex')}y`])).toBe('x***y')
    expect(redactBy(spellingsOf(binary), [`x${binary.toString('base64')}y`])).toBe('x***y')
  })

  test('hide base64 of any text around the secret but for its outermost characters', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 40 }),
        fc.uint8Array({ maxLength: 7 }),
        fc.uint8Array({ maxLength: 7 }),
        (value, before, after) => {
          const encoded = Buffer.concat([before, value, after]).toString('base64')
          const out = redactBy(spellingsOf(value), [encoded])
          const around = 4 * (Math.ceil(before.length / 3) + Math.ceil(after.length / 3) + 1)
          expect(out.replaceAll('***', '').length).toBeLessThanOrEqual(around)
        },
      ),
    )
  })
})

/** Few, so that there are many coincidences. */
const letter = fc.constantFrom('a', 'b', 'c')

function redact(secrets: readonly string[], pieces: readonly string[]): string {
  return redactBy(
    secrets.map((secret) => Buffer.from(secret)),
    pieces,
  )
}

/** All bytes but letters, digits and `-._~` escaped (RFC 3986), the codes in lower case. */
function percentOf(bytes: Uint8Array): string {
  const written = Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte)
    return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
  })
  return written.join('')
}

function redactBy(spellings: readonly Uint8Array[], pieces: readonly string[]): string {
  const redactor = createRedactor(spellings)
  const out = pieces.map((piece) => redactor.push(Buffer.from(piece)))
  return Buffer.concat([...out, redactor.end()]).toString()
}

/** What is meant, said slowly: every byte of every occurrence is covered, and each covered run becomes one mark. */
function redactSlowly(secrets: readonly string[], text: string): string {
  let out = ''
  let covered = 0
  for (let at = 0; at < text.length; at += 1) {
    const rest = text.slice(at)
    const here = secrets.filter((secret) => rest.startsWith(secret)).map(({ length }) => length)
    if (rest.length >= secretMinBytes && secrets.some((secret) => secret.startsWith(rest))) {
      here.push(rest.length)
    }
    if (here.length > 0 && at >= covered) out += '***'
    covered = Math.max(covered, at + Math.max(0, ...here))
    if (at >= covered) out += text[at]
  }
  return out
}

function cut(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  )
}
