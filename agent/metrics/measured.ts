import type { World } from '../../protocol/world.ts'
import type { Journal } from '../journal/journal.ts'
import { describeError } from '../log.ts'
import type { QueueAccess } from '../queue-access.ts'
import type { AgentMetrics } from './agent-metrics.ts'

/** A journal that counts the commands which enter it, and their ends. */
export function measureJournal(
  journal: Journal,
  { noteTaken, noteEnded }: Pick<AgentMetrics, 'noteTaken' | 'noteEnded'>,
): Journal {
  return {
    ...journal,
    take: async (entries) => {
      await journal.take(entries)
      for (const { command, entersAs } of entries) {
        noteTaken(command.operation.name)
        if (entersAs.state === 'ended') noteEnded(entersAs.result.state)
      }
    },
    markEnded: async (id, result) => {
      await journal.markEnded(id, result)
      noteEnded(result.state)
    },
  }
}

/** A way to the queues that counts its requests and times them. */
export function measureQueue(
  queue: QueueAccess,
  { noteRequest }: Pick<AgentMetrics, 'noteRequest'>,
  world: Pick<World, 'monotonicMs'>,
): QueueAccess {
  const measure = async <T>(action: string, signal: AbortSignal, ask: () => Promise<T>) => {
    const beginMs = world.monotonicMs()
    const note = (outcome: string) =>
      noteRequest(action, outcome, (world.monotonicMs() - beginMs) / 1000)
    try {
      const answer = await ask()
      note('ok')
      return answer
    } catch (error) {
      if (!signal.aborted) note(describeError(error).code ?? 'error')
      throw error
    }
  }
  return {
    ...queue,
    claim: async (options, signal) =>
      measure('claim', signal, async () => queue.claim(options, signal)),
    release: async (claim, signal) =>
      measure('release', signal, async () => queue.release(claim, signal)),
    acknowledge: async (ids, signal) =>
      measure('acknowledge', signal, async () => queue.acknowledge(ids, signal)),
    post: async (messages, signal) =>
      measure('post', signal, async () => queue.post(messages, signal)),
  }
}
