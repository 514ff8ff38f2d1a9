import type { Context } from '../context.ts'
import type { Cluster } from '../store/clusters.ts'

/** Deletes messages that have served, beside the work on the next ones. */
export interface Deletions {
  /** Resolves as soon as the deletion before this one is done: at most one is under way, and one waits. */
  delete: (ids: readonly string[]) => Promise<void>
  settled: () => Promise<void>
}

/** For one cluster's return queue, whose only consumer we are. */
export function createDeletions({ queue, log }: Context, cluster: Cluster): Deletions {
  let underWay: Promise<void> = Promise.resolve()
  const deleteNow = async (ids: readonly string[]) => {
    try {
      await queue.deleteMessages(cluster.returnQueue, ids)
    } catch (error) {
      // They come back when their claim has run out, and are known by then.
      log.warn({ err: error, cluster: cluster.id }, 'booked messages could not be deleted')
    }
  }
  return {
    delete: async (ids) => {
      if (ids.length === 0) return
      await underWay
      underWay = deleteNow(ids)
    },
    settled: async () => await underWay,
  }
}
