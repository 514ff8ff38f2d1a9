import type { StoredMessage } from '../store/messages.ts'

/** Where messages are shown: it decides their hrefs and their age. */
export interface Showing {
  queueName: string
  now: number
}

/** JSON text of a message; its body goes out as it lies in the database, without being parsed. */
export function showMessage(message: StoredMessage, { queueName, now }: Showing): string {
  const claim = message.claimId === undefined ? '' : `?claim_id=${message.claimId}`
  const href = `/v2/queues/${queueName}/messages/${message.id}${claim}`
  return `{"id":"${message.id}","href":"${href}","ttl":${message.ttlSeconds},"age":${ageSeconds(message.postedAt, now)},"body":${message.body}}`
}

/** JSON text of a message that was popped: it has no place in the queue any more. */
export function showPopped(message: StoredMessage, now: number): string {
  return `{"id":"${message.id}","age":${ageSeconds(message.postedAt, now)},"ttl":${message.ttlSeconds},"body":${message.body},"claim_id":null,"claim_count":${message.claimCount}}`
}

/** Whole seconds; never negative, also when the clock was set back. */
export function ageSeconds(since: number, now: number): number {
  return Math.max(0, Math.floor((now - since) / 1000))
}
