import { z } from 'zod'
import { OutputStream } from '../../protocol/messages/replies.ts'
import { Blob } from './database.ts'
import type { Store } from './open-store.ts'

/** A piece of a command's output; `offset` counts all its streams together. */
export interface Piece {
  offset: number
  stream: OutputStream
  bytes: Uint8Array
}

const PieceRow = z.object({ offset: z.number(), stream: OutputStream, bytes: Blob })

/**
 * Appends bytes at the end of what is there without a hole. Call it, and all that change something here, inside `write`.
 */
export function appendOutput({ database }: Store, commandSeq: number, piece: Piece): void {
  const column = `${piece.stream}_bytes` as const
  database.run(
    `INSERT INTO output (command_seq, offset, stream, stream_offset, bytes)
     SELECT seq, :offset, :stream, ${column}, :bytes FROM commands WHERE seq = :commandSeq`,
    { commandSeq, offset: piece.offset, stream: piece.stream, bytes: piece.bytes },
  )
  database.run(
    `UPDATE commands SET output_bytes = :end, ${column} = ${column} + :length WHERE seq = :commandSeq`,
    { commandSeq, end: piece.offset + piece.bytes.length, length: piece.bytes.length },
  )
}

const LengthRow = z.object({ length: z.number() })

/** Keeps a piece behind a hole. Of two at one offset the longer one stays. */
export function keepWaiting({ database }: Store, commandSeq: number, piece: Piece): void {
  const { offset, stream, bytes } = piece
  const found = database.get(
    LengthRow,
    `SELECT length(bytes) AS length FROM waiting_output WHERE command_seq = :commandSeq AND offset = :offset`,
    { commandSeq, offset },
  )
  if (found && found.length >= bytes.length) return
  database.run(
    `INSERT INTO waiting_output (command_seq, offset, stream, bytes)
     VALUES (:commandSeq, :offset, :stream, :bytes)
     ON CONFLICT DO UPDATE SET stream = excluded.stream, bytes = excluded.bytes`,
    { commandSeq, offset, stream, bytes },
  )
  countWaiting({ database }, commandSeq, {
    bytes: bytes.length - (found?.length ?? 0),
    pieces: found ? 0 : 1,
  })
}

/** Takes the first waiting piece that begins at or before `offset`. */
export function takeWaiting(
  { database }: Store,
  commandSeq: number,
  offset: number,
): Piece | undefined {
  const piece = database.get(
    PieceRow,
    `DELETE FROM waiting_output WHERE command_seq = :commandSeq AND offset =
       (SELECT min(offset) FROM waiting_output WHERE command_seq = :commandSeq AND offset <= :offset)
     RETURNING offset, stream, bytes`,
    { commandSeq, offset },
  )
  if (piece) countWaiting({ database }, commandSeq, { bytes: -piece.bytes.length, pieces: -1 })
  return piece
}

/** By what changes: a sum over all of them for each piece would take a square of the time. */
function countWaiting(
  { database }: Pick<Store, 'database'>,
  commandSeq: number,
  more: { bytes: number; pieces: number },
): void {
  database.run(
    `UPDATE commands SET waiting_bytes = waiting_bytes + :bytes,
       waiting_pieces = waiting_pieces + :pieces WHERE seq = :commandSeq`,
    { commandSeq, ...more },
  )
}

/** How many pieces one slice has at most: 20 of the largest are 3.6 MiB. */
const sliceLength = 20

/** A slice of the output from `offset` on, all streams in order; `[]` at its present end. */
export function readOutput({ database }: Store, commandSeq: number, offset: number): Piece[] {
  const pieces = database.all(
    PieceRow,
    `SELECT offset, stream, bytes FROM output WHERE command_seq = :commandSeq AND offset >= coalesce(
       (SELECT max(offset) FROM output WHERE command_seq = :commandSeq AND offset <= :offset), 0)
     ORDER BY offset LIMIT ${sliceLength}`,
    { commandSeq, offset },
  )
  return pieces.flatMap((piece) => cutFront(piece, offset))
}

/** A slice of one stream; `offset` here, and in what it gives, counts that stream alone. */
export function readStream(
  { database }: Store,
  commandSeq: number,
  stream: OutputStream,
  offset: number,
): Piece[] {
  const pieces = database.all(
    PieceRow,
    `SELECT stream_offset AS offset, stream, bytes FROM output
     WHERE command_seq = :commandSeq AND stream = :stream AND stream_offset >= coalesce(
       (SELECT max(stream_offset) FROM output
        WHERE command_seq = :commandSeq AND stream = :stream AND stream_offset <= :offset), 0)
     ORDER BY stream_offset LIMIT ${sliceLength}`,
    { commandSeq, stream, offset },
  )
  return pieces.flatMap((piece) => cutFront(piece, offset))
}

/** The part of a piece from `offset` on, or nothing. Pure. */
export function cutFront(piece: Piece, offset: number): Piece[] {
  if (piece.offset >= offset) return [piece]
  const bytes = piece.bytes.subarray(offset - piece.offset)
  return bytes.length === 0 ? [] : [{ ...piece, offset, bytes }]
}
