/**
 * A pattern: `*` stands for any characters but `/`, `?` for one, `**` as a whole part between slashes for any number of
 * parts, also none; a backslash takes the next character as it is.
 */
export type Pattern = readonly Part[]
type Part = 'any-parts' | readonly Token[]
type Token = 'any' | 'one' | { is: string }

/**
 * `strict` is for what allows: a wildcard stands for no `.` or `..` (which lead elsewhere). `generous` is for what
 * refuses: it stands for them too.
 */
export type Strictness = 'strict' | 'generous'

export function compilePattern(text: string): Pattern {
  return text.split('/').map((part) => (part === '**' ? 'any-parts' : compilePart(part)))
}

/** Whether a text matches. Takes time in proportion to pattern times text at worst, whatever an attacker sends. */
export function matchesPattern(pattern: Pattern, text: string, strictness: Strictness): boolean {
  const parts = text.split('/')
  return matchesSequence(pattern.length, parts.length, {
    isAny: (at, item) => {
      if (pattern[at] !== 'any-parts') return false
      return item === undefined || strictness === 'generous' || !isDots(parts[item])
    },
    fits: (at, item) => {
      const part = pattern[at]
      return (
        part !== undefined &&
        part !== 'any-parts' &&
        matchesPart(part, parts[item] ?? '', strictness)
      )
    },
  })
}

/** Whether a pattern stands for more than itself. */
export function hasWildcard(text: string): boolean {
  return compilePattern(text).some(
    (part) => part === 'any-parts' || part.some((token) => token === 'any' || token === 'one'),
  )
}

/** The text that a pattern without wildcards stands for. */
export function withoutEscapes(text: string): string {
  return text.replaceAll(/\\(.)/gs, '$1')
}

function compilePart(text: string): readonly Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (character === '*') {
      if (tokens.at(-1) !== 'any') tokens.push('any')
    } else if (character === '?') tokens.push('one')
    else if (character === '\\') {
      at += 1
      tokens.push({ is: text.charAt(at) })
    } else tokens.push({ is: character })
  }
  return tokens
}

function matchesPart(tokens: readonly Token[], text: string, strictness: Strictness): boolean {
  const isLiteral = tokens.every((token) => typeof token === 'object')
  if (!isLiteral && strictness === 'strict' && isDots(text)) return false
  return matchesSequence(tokens.length, text.length, {
    isAny: (at) => tokens[at] === 'any',
    fits: (at, item) => {
      const token = tokens[at]
      return token === 'one' || (typeof token === 'object' && token.is === text[item])
    },
  })
}

function isDots(text: string | undefined): boolean {
  return text === '.' || text === '..'
}

interface Elements {
  /** Whether this element of the pattern stands for any number of items; asked with each item that it is to take. */
  isAny: (at: number, item?: number) => boolean
  fits: (at: number, item: number) => boolean
}

/** The well-known matching with one mark to come back to: only the last wildcard ever has to take more. */
function matchesSequence(patternLength: number, itemCount: number, elements: Elements): boolean {
  let at = 0
  let item = 0
  let mark: { at: number; item: number } | undefined
  while (item < itemCount) {
    if (at < patternLength && elements.isAny(at)) {
      mark = { at, item }
      at += 1
    } else if (at < patternLength && elements.fits(at, item)) {
      at += 1
      item += 1
    } else if (mark && elements.isAny(mark.at, mark.item)) {
      mark.item += 1
      at = mark.at + 1
      item = mark.item
    } else return false
  }
  while (at < patternLength && elements.isAny(at)) at += 1
  return at === patternLength
}
