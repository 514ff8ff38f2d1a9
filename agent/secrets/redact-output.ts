import type { OutputStream } from '../../protocol/messages/replies.ts'
import type { World } from '../../protocol/world.ts'
import { createRedactor, type Redactor } from './redactor.ts'
import { spellingsOf } from './spellings.ts'

/** Stands between a command's pipes and its spool: what is on the disk, counted, digested and sent is redacted already. */
export interface OutputFilter {
  append: (stream: OutputStream, bytes: Uint8Array) => void
  /** The pipes are done with: lets out what was held back. */
  end: () => void
}

/** After so long without output a prompt is shown whole, in milliseconds. */
const pauseMs = 100

/** Redacts each stream by itself. */
export function redactOutput(
  secrets: readonly { value: Uint8Array }[],
  world: Pick<World, 'sleep'>,
  append: OutputFilter['append'],
): OutputFilter {
  const spellings = secrets.flatMap(({ value }) => spellingsOf(value))
  const streams = new Map<OutputStream, { redactor: Redactor; timer: AbortController }>()

  const pass = (stream: OutputStream, bytes: Uint8Array) => {
    if (bytes.length > 0) append(stream, bytes)
  }

  return {
    append: (stream, bytes) => {
      const known = streams.get(stream)
      known?.timer.abort()
      const redactor = known?.redactor ?? createRedactor(spellings)
      const timer = new AbortController()
      streams.set(stream, { redactor, timer })
      pass(stream, redactor.push(bytes))
      if (!redactor.hasPause()) return
      world
        .sleep(pauseMs, timer.signal)
        .then(() => pass(stream, redactor.pause()))
        .catch(() => undefined)
    },
    end: () => {
      for (const [stream, { redactor, timer }] of streams) {
        timer.abort()
        pass(stream, redactor.end())
      }
    },
  }
}
