import { setTimeout as sleepUnlessEnded } from 'node:timers/promises'

/** How long what is under way may take to come to its end, in milliseconds. */
const patienceMs = 2000

/**
 * Sees to the end of a process that has nothing left to do. Node ends once nothing is under way; a child that the kernel
 * keeps, or a thread that waits for a file server that is gone, is under way for ever, and a runner that stayed for it
 * would be deaf to SIGTERM, beside the next one.
 */
export async function endForCertain(): Promise<void> {
  // Not the world's: that one would itself keep the process.
  await sleepUnlessEnded(patienceMs, undefined, { ref: false })
  const kept = [...new Set(process.getActiveResourcesInfo())].join(', ')
  process.stderr.write(`done, but kept by ${kept}; it kills itself\n`)
  // process.exit() would wait for that very thread.
  process.kill(process.pid, 'SIGKILL')
}
