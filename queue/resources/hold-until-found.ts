import type { ApiReply } from '../http/api-reply.ts'
import type { ApiRequest, QueueApi } from '../http/api-request.ts'
import { readPreferWait } from '../http/prefer-wait.ts'

/** A request that may be held: how to look, and what to answer when nothing is there. */
export interface Attempt {
  /** Whether what it finds is taken from the others. */
  takes: boolean
  /** Looks, and takes; undefined when there is nothing. Runs synchronously. */
  find: () => ApiReply | undefined
  nothing: () => ApiReply
}

/**
 * Answers at once when there is something, or when the client did not ask to wait (RFC 7240, `Prefer: wait=N`);
 * else when something comes, or the wait is over. Every answer is about what is on the disk.
 */
export async function holdUntilFound(
  api: QueueApi,
  request: ApiRequest,
  attempt: Attempt,
): Promise<ApiReply> {
  const wished = readPreferWait(request.headers['prefer'])
  const waitSeconds = Math.min(wished ?? 0, api.limits.maxWaitSeconds)
  // Those who wait already come first.
  api.waiting.serve()
  const foundNow = request.isGone() ? undefined : attempt.find()
  if (foundNow !== undefined) {
    await api.store.flushed()
    return withApplied(foundNow, wished, waitSeconds)
  }
  if (waitSeconds === 0 || api.waiting.isFull) return attempt.nothing()
  const { found, leave } = api.waiting.hold({
    queue: request.queue,
    waitSeconds,
    takes: attempt.takes,
    attempt: attempt.find,
    isGone: request.isGone,
  })
  request.onGone(leave)
  return withApplied((await found) ?? attempt.nothing(), wished, waitSeconds)
}

function withApplied(reply: ApiReply, wished: number | undefined, waitSeconds: number): ApiReply {
  if (wished === undefined) return reply
  const headers = { ...reply.headers, 'Preference-Applied': `wait=${waitSeconds}` }
  return { ...reply, headers }
}
