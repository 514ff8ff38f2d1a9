import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { OutputStream } from '../../protocol/messages/replies.ts'
import { sha256, textOfChunks } from './fixtures/runner-bench.ts'
import { findSpoolEnd, readSpool, SpoolBrokenError } from './spool-reader.ts'
import { deleteSegments, listSegments, segmentPath } from './spool-segments.ts'
import { createSpoolWriter, type SpoolOptions } from './spool-writer.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sahara-spool-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

type Piece = readonly [OutputStream, Uint8Array]

function aWriter(over: Partial<SpoolOptions> = {}) {
  return createSpoolWriter({
    directory,
    limitBytes: 1024 * 1024,
    segmentBytes: 64,
    onWritten: () => {},
    onRoom: () => {},
    onFailure: () => {},
    ...over,
  })
}

/** Writes piece after piece, each in a write of its own. */
async function spoolPieces(pieces: readonly Piece[]) {
  let written = Promise.withResolvers<void>()
  const writer = aWriter({ onWritten: () => written.resolve() })
  for (const [stream, bytes] of pieces) {
    written = Promise.withResolvers()
    writer.append(stream, bytes)
    if (bytes.length > 0) await written.promise
  }
  return writer.finish()
}

async function readAll(fromOffset = 0, end?: number) {
  const ends = [end ?? (await findSpoolEnd(directory)), null]
  return Array.fromAsync(readSpool(directory, fromOffset, async () => ends.shift() ?? null))
}

const pieces = fc.array(
  fc.tuple(fc.constantFrom('stdout', 'stderr'), fc.uint8Array({ minLength: 1, maxLength: 90 })),
  { minLength: 1, maxLength: 12 },
)

describe('the spool of a command', () => {
  test('gives back what was written, in order and by stream, from any offset', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(), async (written, seed) => {
        await rm(directory, { recursive: true })
        directory = await mkdtemp(join(tmpdir(), 'sahara-spool-'))
        const { outputBytes, streams } = await spoolPieces(written)
        const whole = Buffer.concat(written.map(([, bytes]) => bytes))
        const from = seed % (whole.length + 1)
        const chunks = await readAll(from)
        expect(outputBytes).toBe(whole.length)
        expect(Buffer.concat(chunks.map((chunk) => chunk.bytes))).toEqual(whole.subarray(from))
        for (const stream of ['stdout', 'stderr'] as const) {
          const own = Buffer.concat(written.filter(([s]) => s === stream).map(([, b]) => b))
          const seen = (await readAll()).filter((chunk) => chunk.stream === stream)
          expect(Buffer.concat(seen.map((chunk) => chunk.bytes))).toEqual(own)
          if (own.length > 0) {
            expect(streams[stream]).toMatchObject({ size: own.length, sha256: sha256(own) })
          }
        }
      }),
      { numRuns: 40 },
    )
  })

  test('that was cut at any byte, or has any byte changed, never gives data that was not written', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(), fc.nat(255), async (written, seed, noise) => {
        await rm(directory, { recursive: true })
        directory = await mkdtemp(join(tmpdir(), 'sahara-spool-'))
        await spoolPieces(written)
        const whole = Buffer.concat(written.map(([, bytes]) => bytes))
        const last = segmentPath(directory, (await listSegments(directory)).at(-1) ?? 0)
        const content = await readFile(last)
        const at = seed % content.length
        if (noise === 0) await truncate(last, at)
        else {
          content[at] = (content[at] ?? 0) ^ noise
          await writeFile(last, content)
        }
        const end = await findSpoolEnd(directory)
        expect(end).toBeLessThan(whole.length)
        const read = Buffer.concat((await readAll()).map((chunk) => chunk.bytes))
        expect(read).toEqual(whole.subarray(0, end))
      }),
      { numRuns: 60 },
    )
  })

  test('that ends in zeros, as after a power failure, ends before them', async () => {
    await spoolPieces([['stdout', Buffer.from('kept')]])
    const path = segmentPath(directory, 0)
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(100)]))
    expect(await findSpoolEnd(directory)).toBe(4)
  })

  test('says that there is a hole where bytes below the known end are missing', async () => {
    await spoolPieces([['stdout', Buffer.from('abc')]])
    await expect(readAll(0, 10)).rejects.toThrow(SpoolBrokenError)
  })

  test('loses whole segments only, and never the last one, when output is discarded', async () => {
    await spoolPieces(Array.from({ length: 10 }, () => ['stdout', Buffer.alloc(60, 'x')] as const))
    const before = await listSegments(directory)
    await deleteSegments(directory, 130)
    expect(await listSegments(directory)).toEqual(before.filter((start) => start >= 120))
    expect(textOfChunks(await readAll(130))).toBe('x'.repeat(470))
    await deleteSegments(directory, 10_000)
    expect(await listSegments(directory)).toEqual(before.slice(-1))
  })

  test('that is bounded keeps the beginning and the end, and says how much it dropped', async () => {
    const keep = { headBytes: 50, tailBytes: 20 }
    await fc.assert(
      fc.asyncProperty(pieces, async (written) => {
        await rm(directory, { recursive: true })
        directory = await mkdtemp(join(tmpdir(), 'sahara-spool-'))
        const writer = aWriter({ keep })
        for (const [stream, bytes] of written) writer.append(stream, bytes)
        const { outputBytes, streams } = await writer.finish()
        const whole = Buffer.concat(written.map(([, bytes]) => bytes))
        const kept =
          whole.length <= 70 ? whole : Buffer.concat([whole.subarray(0, 50), whole.subarray(-20)])
        const read = Buffer.concat((await readAll()).map((chunk) => chunk.bytes))
        expect(read).toEqual(kept)
        expect(outputBytes).toBe(kept.length)
        const tallies = Object.values(streams)
        const sum = (of: (tally: (typeof tallies)[number]) => number) =>
          tallies.reduce((total, tally) => total + of(tally), 0)
        expect(sum(({ size }) => size)).toBe(whole.length)
        expect(sum(({ droppedBytes }) => droppedBytes)).toBe(whole.length - kept.length)
        for (const stream of ['stdout', 'stderr'] as const) {
          const own = Buffer.concat(written.filter(([s]) => s === stream).map(([, b]) => b))
          if (own.length > 0) expect(streams[stream]?.sha256).toBe(sha256(own))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('calls itself full at its limit, and tells when there is room again', async () => {
    let rooms = 0
    const writer = aWriter({ limitBytes: 100, onRoom: () => (rooms += 1) })
    writer.append('stdout', Buffer.alloc(100))
    expect(writer.isFull()).toBe(true)
    await writer.finish()
    expect(rooms).toBe(0)
    writer.discard(50)
    expect([rooms, writer.isFull()]).toEqual([1, false])
  })

  test('counts and digests on when the disk takes no more, and says so once', async () => {
    const failures: unknown[] = []
    const failed = Promise.withResolvers<void>()
    const writer = aWriter({
      directory: join(directory, 'missing'),
      onFailure: (error) => {
        failures.push(error)
        failed.resolve()
      },
    })
    writer.append('stdout', Buffer.from('one'))
    await failed.promise
    writer.append('stdout', Buffer.from('two'))
    const { outputBytes, streams } = await writer.finish()
    expect(failures).toHaveLength(1)
    expect(outputBytes).toBe(0)
    expect(streams.stdout).toEqual({ size: 6, sha256: sha256('onetwo'), droppedBytes: 6 })
  })
})
