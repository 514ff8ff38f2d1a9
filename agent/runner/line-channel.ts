import type { Duplex } from 'node:stream'
import { createSparingLog } from './sparing-log.ts'

/** JSON values over a stream, one per line. */
export interface LineChannel {
  send: (json: unknown) => void
  close: () => void
  /** Closes it once all that was sent has gone out. */
  finish: () => void
  /** Resolves when the stream is gone, for whatever reason. */
  closed: Promise<void>
}

/** A peer that does not read what it is sent is let go at this many bytes. */
const backlogLimitBytes = 4 * 1024 * 1024

/** One for the process: whoever sends malformed lines comes with a new connection each time. */
const tellMalformed = createSparingLog()

/**
 * Speaks over `stream`. A line that is longer than `lineLimitBytes`, is not JSON, or that `onJson` throws on, ends the
 * connection: the two ends are of one installation, so it is a bug or an attack, and nothing to be patient with.
 */
export function openLineChannel(
  stream: Duplex,
  lineLimitBytes: number,
  onJson: (json: unknown) => void,
): LineChannel {
  const closed = Promise.withResolvers<void>()
  let pieces: Buffer[] = []
  let pendingBytes = 0

  const takeLine = (end: Buffer) => {
    const line = Buffer.concat([...pieces, end])
    pieces = []
    pendingBytes = 0
    onJson(JSON.parse(line.toString('utf8')))
  }

  stream.once('close', () => closed.resolve())
  stream.on('error', () => {})
  stream.on('data', (bytes: Buffer) => {
    try {
      let at = 0
      for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, at)) {
        takeLine(bytes.subarray(at, end))
        at = end + 1
      }
      if (at < bytes.length) pieces.push(bytes.subarray(at))
      pendingBytes += bytes.length - at
      if (pendingBytes > lineLimitBytes) stream.destroy()
    } catch (error) {
      tellMalformed(`sahara-agent: a malformed line ended a connection: ${explain(error)}`)
      stream.destroy()
    }
  })

  return {
    send: (json) => {
      if (stream.destroyed) return
      stream.write(`${JSON.stringify(json)}\n`)
      if (stream.writableLength > backlogLimitBytes) stream.destroy()
    },
    close: () => {
      stream.destroy()
    },
    finish: () => {
      stream.end(() => stream.destroy())
    },
    closed: closed.promise,
  }
}

function explain(error: unknown): string {
  // It would quote what it stumbled over, which may be a piece of a secret.
  if (error instanceof SyntaxError) return 'it is not JSON'
  return error instanceof Error ? error.message.slice(0, 512) : 'unknown error'
}
