import type { CommandRecord } from '../../api/resources.ts'
import type { ApiClient } from '../api/api-client.ts'
import { reportError } from '../report-error.ts'
import type { Terminal } from '../terminal.ts'
import { feedStdin } from './feed-stdin.ts'
import type { View, Watched } from './watch-commands.ts'
import { watchCommands } from './watch-commands.ts'

/** Watches the commands to their end; meanwhile feeds them our standard input, if it is wanted. */
export async function watchWithStdin(
  api: ApiClient,
  commands: readonly CommandRecord[],
  view: View,
  terminal: Terminal,
  { stdin, json }: { stdin: boolean; json: boolean },
): Promise<Watched> {
  const following = { api, world: terminal.world }
  const watching = { ...following, json }
  if (!stdin) return await watchCommands(watching, commands, view, terminal)
  const stopFeeding = new AbortController()
  const { signal } = stopFeeding
  // Input that cannot be fed does not end the watch: the command still runs, and its end is what counts.
  const feeding = feedStdin({ ...following, signal }, commands, terminal).catch(
    async (error: unknown) => {
      await reportError(error, terminal, false)
    },
  )
  try {
    return await watchCommands(watching, commands, view, terminal)
  } finally {
    stopFeeding.abort()
    await feeding
  }
}
