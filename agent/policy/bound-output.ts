import type { Result } from '../../protocol/messages/replies.ts'
import type { OutputChunk, RunningCommand } from '../operations/operation.ts'

/** Ends a command that has printed more than the policy allows; what it printed by then is sent. */
export function boundOutput(
  running: RunningCommand,
  limitBytes: number,
  graceSeconds: number,
): RunningCommand {
  let isOver = false
  async function* watch(chunks: AsyncIterable<OutputChunk>): AsyncGenerator<OutputChunk> {
    for await (const chunk of chunks) {
      if (!isOver && chunk.offset + chunk.bytes.length > limitBytes) {
        isOver = true
        await running.cancel(graceSeconds)
      }
      yield chunk
    }
  }
  return {
    ...running,
    output: (fromOffset, signal) => watch(running.output(fromOffset, signal)),
    ended: running.ended.then((result) =>
      isOver && result.state === 'cancelled' ? overLimit(result, limitBytes) : result,
    ),
  }
}

function overLimit(result: Result, limitBytes: number): Result {
  const message = `it printed more than the ${limitBytes} bytes that the instance’s policy allows, and was ended`
  const reason = { code: 'output-limit', message }
  return { ...result, state: 'failed', reason, rule: 'limits.outputBytes' }
}
