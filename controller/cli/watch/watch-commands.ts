import type { CommandRecord } from '../../api/resources.ts'
import type { Answer } from '../api/api-connection.ts'
import type { Terminal } from '../terminal.ts'
import { isBrokenPipe } from '../terminal.ts'
import { cancelOnInterrupt } from './cancel-on-interrupt.ts'
import type { Following, OutputAnswer } from './follow-command.ts'
import { followOutput, followToEnd } from './follow-command.ts'
import { tellUntaken } from './tell-untaken.ts'

/** Shows what becomes of commands. */
export interface View {
  /** Returns when it is shown: the back-pressure. */
  showOutput: (command: CommandRecord, line: OutputAnswer) => Promise<void>
  showEnd: (command: Answer<CommandRecord>) => Promise<void>
}

/** What watching needs; with `json`, a person is told of nothing but errors and Ctrl-C. */
export type Watching = Omit<Following, 'signal'> & { json: boolean }

/** What became of watched commands: all ended, or the person has left them running. */
export type Watched =
  | { left: false; commands: CommandRecord[] }
  | { left: true; running: CommandRecord[] }

/**
 * Shows the commands' output while they run, until all have ended. The first Ctrl-C cancels them, and the wait goes on;
 * the second leaves.
 */
export async function watchCommands(
  watching: Watching,
  commands: readonly CommandRecord[],
  view: View,
  terminal: Terminal,
): Promise<Watched> {
  return await untilInterruptedTwice(watching, commands, terminal, async (command, bounded) => {
    for await (const line of followOutput(bounded, command.id)) {
      await view.showOutput(command, line)
    }
    const ended = await followToEnd(bounded, command.id)
    await view.showEnd(ended)
    return ended.value
  })
}

/** Waits likewise, each command in its own way; `attend` resolves with the command's last record. */
export async function untilInterruptedTwice(
  { api, world, json }: Watching,
  commands: readonly CommandRecord[],
  terminal: Terminal,
  attend: (command: CommandRecord, following: Following) => Promise<CommandRecord>,
): Promise<Watched> {
  const leave = new AbortController()
  const running = new Map(commands.map((command) => [command.id, command]))
  const stillRunning = () => [...running.values()]
  using _ = cancelOnInterrupt({ api, terminal, stillRunning, leave: () => leave.abort() })
  // One that fails ends the watch over all, rather than leaving the others' connections open.
  const stop = new AbortController()
  const signal = AbortSignal.any([leave.signal, stop.signal])
  if (!json) void tellUntaken({ api, world, signal }, terminal, stillRunning)
  try {
    const ended = commands.map(async (command) => {
      const last = await attend(command, { api, world, signal })
      running.delete(command.id)
      return last
    })
    return { left: false, commands: await Promise.all(ended) }
  } catch (error) {
    if (leave.signal.aborted) return { left: true, running: stillRunning() }
    // As with ssh: a program whose output nobody reads any more is ended, rather than left to fill the store.
    if (isBrokenPipe(error)) {
      await Promise.allSettled(stillRunning().map(({ id }) => api.cancelCommand(id)))
    }
    throw error
  } finally {
    stop.abort()
  }
}
