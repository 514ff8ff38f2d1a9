import type { CommandRecord } from '../../api/resources.ts'
import type { Terminal } from '../terminal.ts'
import type { Following } from './follow-command.ts'
import { createPatience } from './patience.ts'

const firstDelayMs = 50
const delayLimitMs = 1000

/**
 * Hands every key, Ctrl-C too, to the program there, until disposed. Not before an agent has taken the command: until then
 * nobody is there to whom Ctrl-C could mean anything, and it still cancels here. Does nothing where our input is no terminal.
 */
export function useRawTerminal(
  following: Omit<Following, 'signal'>,
  { stdin }: Pick<Terminal, 'stdin'>,
  commands: readonly CommandRecord[],
): Disposable {
  if (stdin.isTTY !== true) return { [Symbol.dispose]: () => {} }
  const stop = new AbortController()
  const { signal } = stop
  const becomeRaw = async () => {
    await Promise.any(commands.map((command) => untilTaken({ ...following, signal }, command)))
    if (!signal.aborted) stdin.setRawMode?.(true)
  }
  // Who follows the command meets the same error.
  becomeRaw().catch(() => {})
  return {
    [Symbol.dispose]: () => {
      stop.abort()
      stdin.setRawMode?.(false)
    },
  }
}

async function untilTaken(
  { api, world, signal }: Following & { signal: AbortSignal },
  { id }: CommandRecord,
): Promise<void> {
  const patience = createPatience(world)
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 1.5, delayLimitMs)) {
    try {
      const { state } = (await api.getCommand(id, { signal })).value
      patience.renew()
      if (state !== 'queued' && state !== 'posted') return
      await world.sleep(delayMs, signal)
    } catch (error) {
      await patience.bear(error, signal)
    }
  }
}
