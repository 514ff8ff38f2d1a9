import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { OutputChunk } from '../operations/operation.ts'
import { type Gathered, gatherOutput } from './gather-output.ts'

const limit = 16

describe('output that waits for its reply', () => {
  test('joins what follows on the same stream, and keeps streams apart', () => {
    const gathered: Gathered[] = []
    for (const [offset, stream, text] of [
      [0, 'stdout', 'ab'],
      [2, 'stdout', 'cd'],
      [4, 'stderr', 'ef'],
      [6, 'stdout', 'gh'],
    ] as const) {
      gatherOutput(gathered, { offset, stream, bytes: Buffer.from(text) }, limit)
    }
    expect(
      gathered.map((one) => [one.offset, one.stream, Buffer.concat(one.parts).toString()]),
    ).toEqual([
      [0, 'stdout', 'abcd'],
      [4, 'stderr', 'ef'],
      [6, 'stdout', 'gh'],
    ])
  })

  test('keeps all bytes at their offsets, in replies of a bounded size', () => {
    const chunk = fc.record({
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
      bytes: fc.uint8Array({ maxLength: 50 }),
    })
    fc.assert(
      fc.property(fc.array(chunk), (chunks) => {
        const gathered: Gathered[] = []
        let offset = 0
        for (const one of chunks) {
          gatherOutput(gathered, { offset, ...one } satisfies OutputChunk, limit)
          offset += one.bytes.length
        }
        const all = Buffer.concat(chunks.map(({ bytes }) => bytes))
        expect(Buffer.concat(gathered.flatMap(({ parts }) => parts))).toEqual(all)
        for (const one of gathered) {
          expect(one.sizeBytes).toBeLessThanOrEqual(limit)
          const bytes = Buffer.concat(one.parts)
          expect(bytes).toEqual(all.subarray(one.offset, one.offset + one.sizeBytes))
        }
      }),
    )
  })
})
