import { invalidRequest } from './api-reply.ts'

/** A whole number from 1 to `most` in the query; `fallback` when it is not given. */
export function readLimit(
  query: URLSearchParams,
  name: string,
  most: number,
  fallback: number,
): number {
  const text = query.get(name)
  if (text === null) return fallback
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(limit >= 1 && limit <= most)) {
    throw invalidRequest(`${name} must be at least 1 and may not be greater than ${most}.`)
  }
  return limit
}

/** A boolean in the words that Zaqar's framework takes. */
export function readFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name)
  if (text === null) return false
  if (/^(true|t|1|yes|y|on)$/i.test(text)) return true
  if (/^(false|f|0|no|n|off)$/i.test(text)) return false
  throw invalidRequest(`The value of the parameter "${name}" must be true or false.`)
}

/** Ids joined by commas, `most` at most; undefined when the parameter is not given. */
export function readIds(query: URLSearchParams, name: string, most: number): string[] | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const ids = text.split(',').filter((id) => id !== '')
  if (ids.length === 0 || ids.length > most) {
    throw invalidRequest(`${name} must hold at least 1 and may not hold more than ${most} ids.`)
  }
  return ids.map((id) => id.trim().toLowerCase())
}
