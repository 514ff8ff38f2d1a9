import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ByteRanges } from './byte-ranges.ts'
import { prepareContent, receiveContent } from './content-receiver.ts'

let directory = ''
let noted: ByteRanges = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'content-'))
  noted = []
})
afterEach(async () => rm(directory, { recursive: true, force: true }))

const text = Buffer.from('the whole content')
const content = { size: text.length, sha256: createHash('sha256').update(text).digest('hex') }
const chunk = (start: number, end: number) => ({ offset: start, bytes: text.subarray(start, end) })
const receive = (known: ByteRanges = []) =>
  receiveContent(content, directory, known, async (ranges) => {
    noted = ranges
  })

describe('content that comes in chunks', () => {
  test('is whole when every byte has come, in any order and with repetitions', async () => {
    const receiver = receive()
    await receiver.store([chunk(9, 17), chunk(9, 17)])
    expect(receiver.contiguousBytes()).toBe(0)
    await receiver.store([chunk(0, 5)])
    expect(receiver.contiguousBytes()).toBe(5)
    await receiver.store([chunk(3, 12)])
    await receiver.whole
    expect(await readFile(receiver.path)).toEqual(text)
    expect(await receiver.hasRightDigest()).toBe(true)
  })

  test('is whole exactly when every byte has come, however it is cut, doubled, shuffled and taken up again', async () => {
    const piece = fc.tuple(fc.nat(text.length), fc.nat(text.length + 3)).map(([start, size]) => ({
      offset: start,
      bytes: Buffer.concat([text, Buffer.alloc(9)]).subarray(start, start + size),
    }))
    /** Each step is one `store`, by a receiver that may be a new one. */
    const steps = fc.array(fc.record({ pieces: fc.array(piece), isRestarted: fc.boolean() }))
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        await rm(join(directory, 'content'), { force: true })
        noted = []
        let receiver = receive()
        const came = new Set<number>()
        for (const { pieces, isRestarted } of all) {
          if (isRestarted) receiver = receive(noted)
          await receiver.store(pieces)
          const fitting = pieces.filter(({ offset, bytes }) => offset + bytes.length <= text.length)
          for (const { offset, bytes } of fitting) {
            for (let at = offset; at < offset + bytes.length; at += 1) came.add(at)
          }
        }
        const hole = [...text.keys()].find((at) => !came.has(at)) ?? text.length
        expect(receiver.contiguousBytes()).toBe(hole)
        if (hole < text.length) return
        await receiver.store([])
        await receiver.whole
        expect(await receiver.hasRightDigest()).toBe(true)
      }),
    )
  })

  test('goes on after a restart with what is on disk', async () => {
    await receive().store([chunk(0, 5)])
    expect(noted).toEqual([[0, 5]])
    const again = receive(noted)
    await again.store([chunk(5, 17)])
    await again.whole
    expect(await again.hasRightDigest()).toBe(true)
  })

  test('with another digest is found out', async () => {
    const receiver = receive()
    await receiver.store([{ offset: 0, bytes: Buffer.from('the WHOLE content') }])
    await receiver.whole
    expect(await receiver.hasRightDigest()).toBe(false)
  })

  test('never grows beyond its size', async () => {
    const receiver = receive()
    await receiver.store([{ offset: 10, bytes: Buffer.alloc(100) }, chunk(0, 17)])
    await receiver.whole
    expect(await readFile(receiver.path)).toEqual(text)
  })

  test('may be empty', async () => {
    const empty = { size: 0, sha256: createHash('sha256').digest('hex') }
    const receiver = receiveContent(empty, directory, [], async () => undefined)
    await prepareContent(receiver, empty)
    await receiver.whole
    expect(await receiver.hasRightDigest()).toBe(true)
  })

  test('that cannot be stored says so to whoever waits for it', async () => {
    await mkdir(join(directory, 'content'))
    const receiver = receive()
    await expect(receiver.store([chunk(0, 5)])).rejects.toThrow('EISDIR')
    await expect(receiver.whole).rejects.toThrow('EISDIR')
  })
})
