const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
] as const

/** `3m ago`, `in 5h`, `now`; `-` for what has not happened. Rounds down, so that nothing looks older than it is. */
export function formatAge(at: Date | null, now: Date): string {
  if (at === null) return '-'
  const seconds = Math.trunc((now.getTime() - at.getTime()) / 1000)
  if (seconds === 0) return 'now'
  const span = formatSpan(Math.abs(seconds))
  return seconds > 0 ? `${span} ago` : `in ${span}`
}

/** A moment in full, with how long ago it was. */
export function formatMoment(at: Date | null, now: Date): string {
  return at === null ? '-' : `${at.toISOString()} (${formatAge(at, now)})`
}

/** The largest unit that fits, and nothing below it: `45s`, `3m`, `5h`, `12d`. */
function formatSpan(seconds: number): string {
  const unit = units.find(([, size]) => seconds >= size)
  return unit === undefined ? `${seconds}s` : `${Math.floor(seconds / unit[1])}${unit[0]}`
}

/** How long something took: `250ms`, `2.1s`, `3m 5s`, `2h 10m`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${Math.floor(seconds * 10) / 10}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${Math.floor(seconds % 60)}s`
  return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`
}
