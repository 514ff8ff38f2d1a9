const imfFixdate =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/**
 * Reads an HTTP date in the one form that servers may send (RFC 9110 section 5.6.7, IMF-fixdate).
 * Anything else is `undefined`, as `new Date` makes a date of almost any text.
 */
export function parseHttpDate(text: string | undefined): Date | undefined {
  if (text === undefined || !imfFixdate.test(text)) return undefined
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/**
 * Reads `Retry-After` (RFC 9110 section 10.2.3), seconds or a date, as milliseconds from `serverNow`;
 * 0 for a date that has passed, `undefined` for anything else. There is no upper bound here.
 */
export function parseRetryAfterMs(text: string | undefined, serverNow: Date): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,12}$/.test(text.trim())) return Number(text) * 1000
  const date = parseHttpDate(text.trim())
  return date && Math.max(0, date.getTime() - serverNow.getTime())
}
