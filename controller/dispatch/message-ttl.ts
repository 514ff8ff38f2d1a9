/** Zaqar's bounds for the life of a message, in seconds. */
const shortestSeconds = 60
const longestSeconds = 1_209_600

/** How long a message that is good until `until` lives on its queue. Both ends keep shorter deadlines by themselves. Pure. */
export function messageTtlSeconds(until: Date, now: Date, marginSeconds: number): number {
  const seconds = Math.ceil((until.getTime() - now.getTime()) / 1000 + marginSeconds)
  return Math.min(longestSeconds, Math.max(shortestSeconds, seconds))
}
