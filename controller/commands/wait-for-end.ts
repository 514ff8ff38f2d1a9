import type { Context } from '../context.ts'
import { CommandNotFoundError } from '../errors.ts'
import { isOpenCommand, readCommand, type StoredCommand } from '../store/commands.ts'
import { commandKey } from '../wakeups.ts'

/**
 * The command as soon as it has ended, and at the latest after `waitSeconds`, or when `signal` is aborted. It is woken
 * by the reply.
 *
 * @throws {CommandNotFoundError}
 */
export async function waitForEnd(
  { store, wakeups, world }: Pick<Context, 'store' | 'wakeups' | 'world'>,
  id: string,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<StoredCommand> {
  using changes = wakeups.subscribe(commandKey(id))
  const first = requireStored(readCommand(store, id), id)
  if (first.endedAt !== null || waitSeconds === 0) return first
  const timeout = new AbortController()
  const giveUp = () => timeout.abort()
  signal.addEventListener('abort', giveUp, { once: true })
  world.sleep(waitSeconds * 1000, timeout.signal).then(giveUp, () => undefined)
  try {
    let command = first
    while (command.endedAt === null && !timeout.signal.aborted && !signal.aborted) {
      // An abort is no error here: the client gets the command as it is.
      await changes.next(timeout.signal).catch(() => undefined)
      // It may just have been posted: most wake-ups are not the end.
      if (!timeout.signal.aborted && isOpenCommand(store, id)) continue
      command = requireStored(readCommand(store, id), id)
    }
    return command
  } finally {
    timeout.abort('over')
    signal.removeEventListener('abort', giveUp)
  }
}

function requireStored(command: StoredCommand | undefined, id: string): StoredCommand {
  if (command === undefined) throw new CommandNotFoundError(id)
  return command
}
