import { SaharaAgentError } from '../../protocol/errors.ts'
import type { World } from '../../protocol/world.ts'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import type { ControllerMetrics } from './controller-metrics.ts'

/** The queue service, with what is asked of it all the time counted and timed. */
export function measureQueue(
  queue: ZaqarClient,
  { noteRequest }: Pick<ControllerMetrics, 'noteRequest'>,
  world: Pick<World, 'monotonicMs'>,
): ZaqarClient {
  const measure = async <T>(
    action: string,
    signal: AbortSignal | undefined,
    ask: () => Promise<T>,
  ) => {
    const beginMs = world.monotonicMs()
    const note = (outcome: string) =>
      noteRequest(action, outcome, (world.monotonicMs() - beginMs) / 1000)
    try {
      const answer = await ask()
      note('ok')
      return answer
    } catch (error) {
      if (!signal?.aborted) note(error instanceof SaharaAgentError ? error.code : 'error')
      throw error
    }
  }
  return {
    ...queue,
    postMessages: async (name, messages, options) =>
      measure('post', options?.signal, async () => queue.postMessages(name, messages, options)),
    claimMessages: async (name, options) =>
      measure('claim', options?.signal, async () => queue.claimMessages(name, options)),
    deleteMessages: async (name, ids, options) =>
      measure('delete', options?.signal, async () => queue.deleteMessages(name, ids, options)),
  }
}
