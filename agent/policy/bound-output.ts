import type { Result } from '../../protocol/messages/replies.ts'
import type { OutputChunk, RunningCommand } from '../operations/operation.ts'

/**
 * Keeps a command's output within what the policy allows, to the byte: what lies beyond is counted, and leaves the instance
 * neither while the command is being ended nor when it was faster than that.
 */
export function boundOutput(
  running: RunningCommand,
  limitBytes: number,
  graceSeconds: number,
): RunningCommand {
  async function* watch(chunks: AsyncIterable<OutputChunk>): AsyncGenerator<OutputChunk> {
    for await (const chunk of chunks) {
      const room = Math.max(0, limitBytes - chunk.offset)
      if (chunk.bytes.length <= room) {
        yield chunk
        continue
      }
      await running.cancel(graceSeconds)
      if (room > 0) yield { ...chunk, bytes: chunk.bytes.subarray(0, room) }
      return
    }
  }
  return {
    ...running,
    output: (fromOffset, signal) => watch(running.output(fromOffset, signal)),
    ended: running.ended.then(async (result) =>
      result.outputBytes > limitBytes
        ? { ...overLimit(result, limitBytes), ...(await tallyAllowed(running, result, limitBytes)) }
        : result,
    ),
  }
}

/** What ended it for another reason keeps that one. */
function overLimit(result: Result, limitBytes: number): Result {
  const wasEnded = result.state === 'cancelled'
  const endedByItself = result.state === 'succeeded' || result.state === 'failed'
  if (!wasEnded && !(endedByItself && result.reason === undefined)) return result
  const what = `it printed more than the ${limitBytes} bytes that the instance’s policy allows`
  const message = `${what}; the rest was not sent${wasEnded ? ', and it was ended' : ''}`
  const reason = { code: 'output-limit', message }
  return { ...result, state: 'failed', reason, rule: 'limits.outputBytes' }
}

/** What lies beyond the limit was not sent, so that it is all still there to be counted. */
async function tallyAllowed(
  running: Pick<RunningCommand, 'output'>,
  result: Result,
  limitBytes: number,
): Promise<Pick<Result, 'outputBytes' | 'streams'>> {
  const streams = structuredClone(result.streams)
  try {
    for await (const chunk of running.output(limitBytes, new AbortController().signal)) {
      const tally = streams[chunk.stream]
      if (tally) tally.droppedBytes += chunk.bytes.length
    }
    return { outputBytes: limitBytes, streams }
  } catch {
    // The disk has lost it: as where nobody knows the digests.
    return { outputBytes: limitBytes, streams: {} }
  }
}
