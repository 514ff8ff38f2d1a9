import { ControllerReplyUnparsableError } from '../errors.ts'

/**
 * Splits NDJSON into its lines, without their ends; empty lines are left out. A last line without its end was cut off,
 * and is left out as well: the stream's own error tells of it.
 *
 * @throws {ControllerReplyUnparsableError} a line is longer than `limitBytes`.
 */
export async function* splitLines(
  bytes: AsyncIterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<string, void> {
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  for await (const chunk of bytes) {
    let from = 0
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
      const line = Buffer.concat([...pending, chunk.subarray(from, end)]).toString('utf8')
      pending = []
      pendingBytes = 0
      from = end + 1
      if (line !== '') yield line
    }
    if (from < chunk.length) pending.push(chunk.subarray(from))
    pendingBytes += chunk.length - from
    if (pendingBytes > limitBytes) {
      throw new ControllerReplyUnparsableError(
        `the controller sent a line of more than ${limitBytes} bytes; use versions that belong together`,
      )
    }
  }
}
