import type { World } from '../world.ts'

/**
 * Runs `run` under a signal that aborts when the caller's does, or after `limitMs` with the error that
 * `onTimeout` makes. Rejects with that abort's reason, whatever `run` made of it.
 */
export async function withDeadline<T>(
  run: (signal: AbortSignal) => Promise<T>,
  {
    limitMs,
    signal: outer,
    onTimeout,
  }: { limitMs: number; signal: AbortSignal | undefined; onTimeout: () => Error },
  world: Pick<World, 'sleep'>,
): Promise<T> {
  outer?.throwIfAborted()
  const inner = new AbortController()
  const timer = new AbortController()
  const passOn = () => inner.abort(outer?.reason)
  // Not AbortSignal.any: an agent's one signal lives for months, and must not collect dependants.
  outer?.addEventListener('abort', passOn, { once: true })
  world.sleep(limitMs, timer.signal).then(
    () => inner.abort(onTimeout()),
    () => undefined,
  )
  try {
    return await run(inner.signal)
  } catch (error) {
    inner.signal.throwIfAborted()
    throw error
  } finally {
    // A reason of our own: the default one is an error with a stack trace, for nobody.
    timer.abort('over')
    outer?.removeEventListener('abort', passOn)
  }
}
