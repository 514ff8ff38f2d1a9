import type { Socket } from 'node:net'
import type { OutputStream } from '../../protocol/messages/replies.ts'
import type { SpoolWriter } from './spool-writer.ts'

/** Reads a program's pipes into its spool, or what stands before it, and leaves them unread while that is full: the program then waits. */
export interface OutputCollector {
  /** Resolves when every writer has let go of its end. */
  drained: Promise<unknown>
  /** The spool has room again. */
  resume: () => void
  /** True while the program cannot print because of us. */
  isPaused: () => boolean
  /** Lets go of the pipes, whoever still holds the other ends. */
  stop: () => void
}

export function collectOutput(
  sources: readonly (readonly [OutputStream, Socket])[],
  spool: Pick<SpoolWriter, 'append' | 'isFull'>,
  onBytes: () => void,
): OutputCollector {
  let paused = false
  const ends = sources.map(async ([stream, socket]) => {
    const closed = Promise.withResolvers<void>()
    socket.once('close', () => closed.resolve())
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      onBytes()
      spool.append(stream, bytes)
      if (!spool.isFull()) return
      paused = true
      for (const [, each] of sources) each.pause()
    })
    await closed.promise
  })
  return {
    drained: Promise.all(ends),
    isPaused: () => paused,
    resume: () => {
      paused = false
      for (const [, socket] of sources) socket.resume()
    },
    stop: () => {
      for (const [, socket] of sources) socket.destroy()
    },
  }
}
