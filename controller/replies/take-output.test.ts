import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ContextWithInstance,
  openContextWithInstance,
} from '../../test/controller/context-with-instance.ts'
import type { Context } from '../context.ts'
import { readCommand } from '../store/commands.ts'
import { readOutput, readStream } from '../store/output.ts'
import { settleSmallOutput } from './settle-output.ts'
import { takeReply } from './take-reply.ts'

let opened: ContextWithInstance
let context: Context
let newCommand: ContextWithInstance['newCommand']

beforeAll(async () => {
  opened = await openContextWithInstance({
    outputBytesPerCommand: 1000,
    waitingOutputBytes: 500,
    waitingOutputPieces: 40,
  })
  ;({ context, newCommand } = opened)
})
afterAll(async () => opened[Symbol.asyncDispose]())

async function take(id: string, offset: number, stream: 'stdout' | 'stderr', bytes: Uint8Array) {
  await context.store.write(() => takeReply(context, id, { kind: 'output', offset, stream, bytes }))
}

function whole(id: string): Buffer {
  const { store } = context
  const seq = readCommand(store, id)?.seq ?? 0
  const parts: Uint8Array[] = []
  let offset = 0
  for (let pieces = readOutput(store, seq, 0); pieces.length > 0; ) {
    parts.push(...pieces.map(({ bytes }) => bytes))
    offset = parts.reduce((size, { length }) => size + length, 0)
    pieces = readOutput(store, seq, offset)
  }
  return Buffer.concat(parts)
}

/** Cuts a text into pieces of one stream each. */
const pieces = fc
  .array(
    fc.tuple(
      fc.constantFrom('stdout' as const, 'stderr' as const),
      fc.uint8Array({ minLength: 1, maxLength: 9 }),
    ),
    {
      minLength: 1,
      maxLength: 30,
    },
  )
  .map((list) => {
    let offset = 0
    return list.map(([stream, bytes]) => {
      const piece = { offset, stream, bytes }
      offset += bytes.length
      return piece
    })
  })

describe('output', () => {
  test('is whole and in order, however its pieces come and repeat', async () => {
    await fc.assert(
      fc.asyncProperty(
        pieces.chain((list) =>
          fc.tuple(
            fc.constant(list),
            fc.shuffledSubarray([...list, ...list], {
              minLength: list.length,
              maxLength: list.length * 2,
            }),
          ),
        ),
        async ([list, arrivals]) => {
          const id = await newCommand()
          for (const { offset, stream, bytes } of [...arrivals, ...list]) {
            await take(id, offset, stream, bytes)
          }
          expect(whole(id)).toEqual(Buffer.concat(list.map(({ bytes }) => bytes)))
          const command = readCommand(context.store, id)
          expect(command?.waitingBytes).toBe(0)
          const stdout = readStream(context.store, command?.seq ?? 0, 'stdout', 0)
          const expected = list.filter(({ stream }) => stream === 'stdout')
          const length = expected.reduce((size, { bytes }) => size + bytes.length, 0)
          const shown = stdout.reduce((size, { bytes }) => size + bytes.length, 0)
          expect(shown).toBe(stdout.length < 20 ? length : shown)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('that was cut anew, as by a restarted agent, fits what is there', async () => {
    const id = await newCommand()
    const text = Buffer.from('0123456789')
    await take(id, 0, 'stdout', text.subarray(0, 4))
    await take(id, 6, 'stdout', text.subarray(6, 8))
    await take(id, 2, 'stdout', text.subarray(2, 7))
    await take(id, 7, 'stdout', text.subarray(7))
    expect(whole(id).toString()).toBe('0123456789')
  })

  test('is complete only when its digests are right', async () => {
    const id = await newCommand()
    const bytes = Buffer.from('abc')
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    await take(id, 0, 'stdout', bytes)
    await context.store.write(() => {
      takeReply(context, id, {
        kind: 'result',
        result: {
          state: 'succeeded',
          endedAt: context.world.now(),
          outputBytes: 3,
          streams: { stdout: { size: 3, sha256, droppedBytes: 0 } },
          survivors: [],
          answer: {},
        },
      })
      expect(settleSmallOutput(context, id)).toBe(true)
    })
    expect(readCommand(context.store, id)).toMatchObject({ outputComplete: true })
  })

  test.for([
    ['abc', 'what ran the command died'],
    ['abcdef', 'the run before had printed more'],
  ] as const)(
    'is complete without digests when its result has none: %s, since %s',
    async ([came]) => {
      const id = await newCommand()
      await take(id, 0, 'stdout', Buffer.from(came))
      await context.store.write(() => {
        const endedAt = context.world.now()
        const ending = { outputBytes: 3, streams: {}, survivors: [], answer: {} }
        takeReply(context, id, {
          kind: 'result',
          result: { state: 'interrupted', endedAt, ...ending },
        })
        settleSmallOutput(context, id)
      })
      expect(readCommand(context.store, id)).toMatchObject({ outputComplete: true })
    },
  )

  test('past its bound is dropped, and so is too much behind a hole', async () => {
    const id = await newCommand()
    await take(id, 0, 'stdout', Buffer.alloc(900))
    await take(id, 900, 'stdout', Buffer.alloc(101))
    expect(readCommand(context.store, id)).toMatchObject({ outputBytes: 900 })
    const other = await newCommand()
    await take(other, 1, 'stdout', Buffer.alloc(400))
    await take(other, 401, 'stdout', Buffer.alloc(101))
    expect(readCommand(context.store, other)).toMatchObject({ outputBytes: 0, waitingBytes: 400 })
  })

  test('behind a hole is bounded in pieces as well, and the counts go with it', async () => {
    const id = await newCommand()
    for (let offset = 1; offset <= 50; offset += 1)
      await take(id, offset, 'stdout', Buffer.from('a'))
    expect(readCommand(context.store, id)).toMatchObject({ waitingBytes: 40, waitingPieces: 40 })
    await take(id, 0, 'stdout', Buffer.from('a'))
    expect(readCommand(context.store, id)).toMatchObject({ outputBytes: 41, waitingPieces: 0 })
    await take(id, 50, 'stdout', Buffer.from('a'))
    await take(id, 50, 'stdout', Buffer.from('abc'))
    await take(id, 50, 'stdout', Buffer.from('ab'))
    expect(readCommand(context.store, id)).toMatchObject({ waitingBytes: 3, waitingPieces: 1 })
  })
})
