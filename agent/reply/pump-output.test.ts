import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { chunkLimitBytes } from '../../protocol/messages/operations.ts'
import type { OutputChunk, RunningCommand } from '../operations/operation.ts'
import type { Gathered } from './gather-output.ts'
import { pumpOutput } from './pump-output.ts'

const size = chunkLimitBytes

/** All that can go on without somebody else has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
}

/** A command that has printed so many whole replies, and a sink that takes each when it is told to. */
function aPump(count: number, discarding = Promise.resolve()) {
  const posted: { piece: Gathered; take: () => void; fail: (error: Error) => void }[] = []
  const sent: number[] = []
  const discarded: number[] = []
  const running: RunningCommand = {
    output: async function* (from: number): AsyncGenerator<OutputChunk, void, void> {
      for (let offset = from; offset < count * size; offset += size) {
        yield { offset, stream: 'stdout', bytes: new Uint8Array(size) }
      }
    },
    discardOutput: async (below) => {
      discarded.push(below)
      await discarding
    },
    ended: new Promise(() => undefined),
    cancel: async () => undefined,
    feedStdin: async (offset) => ({ taken: false, reason: 'ended', nextOffset: offset }),
  }
  const sink = {
    postOutput: async (piece: Gathered) => {
      const taken = Promise.withResolvers<void>()
      posted.push({ piece, take: taken.resolve, fail: taken.reject })
      await taken.promise
    },
    noteSent: (offset: number) => sent.push(offset),
  }
  const pump = pumpOutput(running, 0, sink, new AbortController().signal)
  return { pump, posted, sent, discarded }
}

describe('output on its way', () => {
  test('counts as sent, and leaves the spool, only as far as all before it was taken', async () => {
    const { pump, posted, sent, discarded } = aPump(3)
    await settle()
    expect(posted.map(({ piece }) => piece.offset)).toEqual([0, size, 2 * size])
    posted[1]?.take()
    posted[2]?.take()
    await settle()
    expect([sent, discarded]).toEqual([[], []])
    posted[0]?.take()
    await pump.sent
    expect([sent, discarded]).toEqual([[3 * size], [3 * size]])
  })

  test('does not get far ahead of a piece that nobody takes', async () => {
    const { pump, posted, sent } = aPump(200)
    await settle()
    for (let taken = 1; taken < posted.length; taken += 1) {
      posted[taken]?.take()
      await settle()
    }
    expect(posted).toHaveLength(90)
    posted[0]?.take()
    for (let taken = 1; taken < 200; taken += 1) {
      await settle()
      posted[taken]?.take()
    }
    await pump.sent
    expect(sent.at(-1)).toBe(200 * size)
  })

  test('does not count as sent behind a piece that nobody took', async () => {
    const { pump, posted, sent } = aPump(3)
    await settle()
    posted[0]?.take()
    posted[1]?.fail(new Error('the agent ends'))
    posted[2]?.take()
    await expect(pump.sent).rejects.toThrow('the agent ends')
    expect(sent).toEqual([size])
  })

  test('goes on while the spool is told what to discard, and then is told the newest only', async () => {
    const asked = Promise.withResolvers<void>()
    const { pump, posted, discarded } = aPump(6, asked.promise)
    await settle()
    for (let taken = 0; taken < 6; taken += 1) {
      posted[taken]?.take()
      await settle()
    }
    expect(posted.length).toBe(6)
    expect(discarded).toEqual([size])
    asked.resolve()
    await pump.sent
    expect(discarded).toEqual([size, 6 * size])
  })

  test('has at most nine whole replies under way, and pulls no further', async () => {
    const { pump, posted } = aPump(20)
    await settle()
    expect(posted.length).toBe(9)
    for (let taken = 0; taken < 20; taken += 1) {
      posted[taken]?.take()
      await settle()
    }
    await pump.sent
    expect(posted.length).toBe(20)
  })
})
