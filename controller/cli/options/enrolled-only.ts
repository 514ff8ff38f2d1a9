import type { Command } from 'commander'
import { z } from 'zod'

/** Whoever asks for the enrolled instances of a cluster alone need not hear of the others. */
export const enrolledOnlyShape = { enrolledOnly: z.boolean().default(false) } as const

export function addEnrolledOnlyOption(command: Command): Command {
  return command.option(
    '--enrolled-only',
    'of a cluster: that some instances have not enrolled is no error, and not told',
  )
}
