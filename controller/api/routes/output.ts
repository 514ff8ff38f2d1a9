import { Readable } from 'node:stream'
import { z } from 'zod'
import { OutputStream } from '../../../protocol/messages/replies.ts'
import { feedStdin, stdinLimitBytes } from '../../commands/feed-stdin.ts'
import { followOutput } from '../../commands/follow-output.ts'
import { BodyTooLargeError, OutputRemovedError } from '../../errors.ts'
import type { Piece } from '../../store/output.ts'
import type { ApiParts } from '../api-parts.ts'
import { requireCommand } from '../find.ts'
import { CommandRecord, OutputLine } from '../resources.ts'
import { ByteStream, json, noBody, type Route, route } from '../route.ts'
import { showCommand } from '../show.ts'

const Flag = z.enum(['true', 'false']).transform((text) => text === 'true')
const Offset = z.coerce.number().int().min(0)

const OutputQuery = z.strictObject({
  offset: Offset.default(0),
  follow: Flag.default(false),
  stream: OutputStream.optional(),
})

const StdinQuery = z.strictObject({ offset: Offset, end: Flag.default(false) })

/** What flows out of a command, and into it. */
export function outputRoutes({ context, departures }: ApiParts): readonly Route[] {
  const output = route({
    method: 'GET',
    path: '/v1/commands/{id}/output',
    summary: "Read a command's output from an offset on, and follow it until the command's end",
    query: OutputQuery,
    body: noBody,
    answers: {
      200: {
        description:
          'lines of JSON; with `stream`, the bytes of that stream alone (application/octet-stream)',
        schema: OutputLine,
        contentType: 'application/x-ndjson',
      },
    },
    run: async ({ param, query, signal }) => {
      const command = requireCommand(context, param('id'))
      // Before the first byte, while there is still a status to say it with.
      if (command.outputRemoved) throw new OutputRemovedError(command.id)
      const pieces = followOutput(context, command.id, query, signal)
      return query.stream === undefined
        ? {
            status: 200,
            stream: toReadable(pieces, writeLine),
            contentType: 'application/x-ndjson',
          }
        : {
            status: 200,
            stream: toReadable(pieces, ({ bytes }) => bytes),
            contentType: 'application/octet-stream',
          }
    },
  })
  const stdin = route({
    method: 'POST',
    path: '/v1/commands/{id}/stdin',
    summary: 'Feed standard input to a running command',
    query: StdinQuery,
    body: ByteStream,
    answers: { 202: { description: 'the stdin command', schema: CommandRecord } },
    run: async ({ param, query, body }) => {
      const bytes = await readBounded(body, stdinLimitBytes)
      const id = await feedStdin(context, departures, param('id'), { ...query, bytes })
      return json(202, CommandRecord, showCommand(requireCommand(context, id)))
    },
  })
  return [output, stdin]
}

function writeLine(piece: Piece): string {
  const bytes = Uint8Array.from(piece.bytes)
  return `${JSON.stringify(z.encode(OutputLine, { ...piece, bytes }))}\n`
}

/** One piece ahead of the client at most: what it does not read is not read from the store either. */
function toReadable(
  pieces: AsyncIterable<Piece>,
  write: (piece: Piece) => string | Uint8Array,
): Readable {
  const written = async function* () {
    for await (const piece of pieces) yield write(piece)
  }
  return Readable.from(written(), { objectMode: false })
}

async function readBounded(
  stream: AsyncIterable<Uint8Array>,
  limitBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > limitBytes) throw new BodyTooLargeError(`send at most ${limitBytes} bytes at once`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
