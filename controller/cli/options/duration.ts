import { z } from 'zod'

const unitSeconds = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 } as const

/** A duration as people write it (`90s`, `5m`, `1h30m`, `500ms`; a bare number is seconds), in seconds. */
export const Duration = z.string().transform((text, context) => {
  const seconds = parseDuration(text)
  if (seconds !== null) return seconds
  context.addIssue(`${JSON.stringify(text)} is no duration; write one such as 90s, 5m or 1h30m`)
  return z.NEVER
})

/** @returns seconds, at least 0; null when it is no duration. */
function parseDuration(text: string): number | null {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null
  let seconds = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    seconds += Number(amount) * secondsOf(unit)
  }
  return Number.isFinite(seconds) ? Math.round(seconds * 1e6) / 1e6 : null
}

function secondsOf(unit: string | undefined): number {
  const found = Object.entries(unitSeconds).find(([name]) => name === unit)
  return found?.[1] ?? Number.NaN
}
