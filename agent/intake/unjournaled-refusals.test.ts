import { describe, expect, test } from 'vitest'
import { aCommand } from '../../test/agent/a-command.ts'
import { fakeWorld } from '../../test/fake-world.ts'
import { JournalWriteError } from '../errors.ts'
import { createUnjournaledRefusals } from './unjournaled-refusals.ts'

const command = aCommand()

const note = () => undefined

/** A journal on a full disk, a queue that deletes when it is told to, and what was done, in order. */
function aFullDisk() {
  const world = fakeWorld()
  const done: string[] = []
  const endings: Promise<void>[] = []
  const disk = { isFull: true }
  const deleted = Promise.withResolvers<void>()
  const mayPost = Promise.withResolvers<void>()
  const refusals = createUnjournaledRefusals({
    journal: {
      noteOutputSent: note,
      take: async (entries) => {
        if (disk.isFull) throw new JournalWriteError('the disk is full')
        done.push(`owed ${entries.map(({ entersAs }) => entersAs.state).join()}`)
      },
      rememberRefused: async (refused) => {
        if (disk.isFull) throw new JournalWriteError('the disk is full')
        done.push(`journaled ${refused.length}`)
      },
      markSent: async () => {
        done.push('sent')
      },
    },
    audit: { ended: note },
    acknowledge: async (ids) => {
      await deleted.promise
      done.push(`deleted ${ids.join()}`)
    },
    outbox: {
      post: async () => {
        await mayPost.promise
        done.push('posted')
      },
      postLimitBytes: () => 262_144,
      run: async () => undefined,
      drained: async () => undefined,
    },
    clock: {
      now: world.now,
      learnIssued: note,
      learn: note,
      offsetMs: () => 0,
      isKnown: () => true,
      untilKnown: async () => undefined,
      sleepUntil: async () => undefined,
    },
    onCarriedOut: (ending) => endings.push(ending),
    world,
    log: { debug: note, info: note, warn: note, error: note },
    closing: new AbortController().signal,
  })
  return { disk, deleted, mayPost, done, endings, refusals, world }
}

describe('a refusal that the journal does not take', () => {
  test('is told only when its message is gone from the queue, and is journaled as soon as there is room', async () => {
    const { deleted, disk, done, endings, mayPost, refusals, world } = aFullDisk()
    mayPost.resolve()
    refusals.refuse([{ command, messageId: 'm-1' }], 'no room')
    expect(refusals.has(command.id)).toBe(true)
    expect(refusals.unansweredCount()).toBe(1)
    await world.untilSleeping()
    expect(done).toEqual([])
    deleted.resolve()
    await endings[0]
    expect(done).toEqual(['deleted m-1', 'posted'])
    expect(refusals.unansweredCount()).toBe(0)
    expect(refusals.has(command.id)).toBe(true)
    disk.isFull = false
    await world.advance(60_000)
    await Promise.all(endings)
    expect(done.at(-1)).toBe('journaled 1')
    expect(refusals.has(command.id)).toBe(false)
  })
  test('is owed as soon as there is room, until the return queue has it', async () => {
    const { deleted, disk, done, endings, mayPost, refusals, world } = aFullDisk()
    refusals.refuse([{ command, messageId: 'm-1' }], 'no room')
    deleted.resolve()
    await world.untilSleeping()
    disk.isFull = false
    await world.advance(60_000)
    expect(done).toEqual(['deleted m-1', 'owed ended'])
    expect(refusals.has(command.id)).toBe(false)
    mayPost.resolve()
    await Promise.all(endings)
    await Promise.all(endings)
    expect(done.slice(2)).toEqual(['posted', 'sent'])
  })
})
