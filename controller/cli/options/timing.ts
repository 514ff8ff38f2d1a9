import type { Command } from 'commander'
import { z } from 'zod'
import { Duration } from './duration.ts'

/** How long a command may wait and run. */
export const timingShape = {
  timeout: z.exactOptional(Duration),
  startWithin: z.exactOptional(Duration),
} as const

export function addTimingOptions(command: Command): Command {
  return command
    .option(
      '--timeout <duration>',
      'how long it may run once begun, such as 90s, 5m, 1h (default: 1h)',
    )
    .option('--start-within <duration>', 'how long it may wait to be begun (default: 1h)')
}

/** The same for the API, which knows the defaults and the bounds. */
export function timingOf(options: { timeout?: number; startWithin?: number }) {
  return {
    ...(options.timeout !== undefined && { timeoutSeconds: options.timeout }),
    ...(options.startWithin !== undefined && { startWithinSeconds: options.startWithin }),
  }
}
