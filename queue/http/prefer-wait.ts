/**
 * The seconds of the first `wait` preference in a `Prefer` header; undefined when there is none or
 * it is no number of seconds, as a preference that is not understood is ignored.
 *
 * @see RFC 7240, sections 2 and 4.3
 */
export function readPreferWait(header: string | readonly string[] | undefined): number | undefined {
  if (header === undefined) return undefined
  const text = typeof header === 'string' ? header : header.join(',')
  for (const preference of splitOutsideQuotes(text, ',')) {
    const [first = ''] = splitOutsideQuotes(preference, ';')
    const match = /^\s*wait\s*=\s*("?)(\d{1,9})\1\s*$/i.exec(first)
    if (match) return Number(match[2])
    // Only the first of its name counts, whatever its value.
    if (/^\s*wait\s*(=|$)/i.test(first)) return undefined
  }
  return undefined
}

/** Splits at a separator, but not within a quoted string, where a backslash escapes. */
function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (character === '"') isQuoted = !isQuoted
    else if (character === '\\' && isQuoted) at += 1
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, text.slice(start)]
}
