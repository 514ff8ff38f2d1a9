import type { CommandRecord } from '../../api/resources.ts'
import type { ApiClient } from '../api/api-client.ts'
import { printable } from '../output/printable.ts'
import { describeError } from '../report-error.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'

/** The first Ctrl-C cancels what still runs; the second leaves, and says what it leaves behind. */
export function cancelOnInterrupt({
  api,
  terminal,
  stillRunning,
  leave,
}: {
  api: ApiClient
  terminal: Terminal
  stillRunning: () => readonly CommandRecord[]
  leave: () => void
}): Disposable {
  let presses = 0
  return terminal.onInterrupt(() => {
    presses += 1
    if (presses > 1) return leave()
    const commands = stillRunning()
    const what = commands.length === 1 ? 'the command' : `${commands.length} commands`
    say(terminal, `cancelling ${what}; press Ctrl-C again to leave without waiting`)
    for (const { id, instance } of commands) {
      // A command that ended in this very moment cannot be cancelled, which is as good.
      api.cancelCommand(id).catch((error: unknown) => {
        const { code, message } = describeError(error)
        if (code === 'ERR_COMMAND_ENDED') return
        say(terminal, `cannot cancel on ${instance}: ${printable(message)} (${code})`)
      })
    }
  })
}

/** Tells which commands were left running, and how to come back to them. */
export async function tellLeft(
  terminal: Terminal,
  commands: readonly CommandRecord[],
): Promise<void> {
  const lines = commands.map(({ id, instance }) => `  ${instance}  ${id}\n`)
  await writeAll(
    terminal.stderr,
    `left without waiting; see \`sahara-controller command wait ID\`:\n${lines.join('')}`,
  )
}

function say({ stderr }: Terminal, text: string): void {
  stderr.write(`sahara-controller: ${text}\n`)
}
