import type { Context } from '../context.ts'
import type { OpenAnnouncements } from './open-announcements.ts'
import { type ReplyListener, startReplyListener } from './reply-listener.ts'

/** Tells the collectors, by `wakeups`, that something may have arrived on a return queue. */
export type Announcer = ReplyListener

/** What a collector is woken by: something may have arrived on this queue. */
export function repliesKey(queue: string): string {
  return `replies:${queue}`
}

/** Where nothing announces anything, collectors have a request held open, or poll. */
export function startAnnouncer(
  { log, wakeups, world }: Context,
  open: OpenAnnouncements | undefined,
): Announcer {
  if (open === undefined) return silentAnnouncer
  const wake = (queue: string) => wakeups.wake(repliesKey(queue))
  return startReplyListener({ open, wake }, world, log)
}

const silentAnnouncer: Announcer = {
  watch: () => undefined,
  unwatch: () => undefined,
  isAnnounced: () => false,
  [Symbol.asyncDispose]: async () => undefined,
}
