import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Operation } from '../../protocol/messages/command.ts'
import { aCommand } from '../../test/agent/a-command.ts'
import { fakeWorld } from '../../test/fake-world.ts'
import { JournalWriteError } from '../errors.ts'
import { recordEnd } from './record-end.ts'
import { endNow } from './task.ts'

const command = aCommand()
const operation = Operation.parse(command.operation)

const note = () => undefined

/** A journal on a full disk, and the directory of a command. */
async function aFullDisk() {
  const commandsDirectory = await mkdtemp(join(tmpdir(), 'record-end-'))
  onTestFinished(async () => rm(commandsDirectory, { recursive: true }))
  const directory = join(commandsDirectory, command.id)
  await mkdir(directory)
  const world = fakeWorld()
  const told: string[] = []
  const disk = { room: 0 }
  const write = (what: string, needs: number) => async () => {
    if (disk.room < needs) throw new JournalWriteError('the disk is full')
    told.push(what)
  }
  const parts = {
    journal: { markEnded: write('ended', 2), markSent: write('sent', 1) },
    audit: { ended: note },
    log: { debug: note, info: note, warn: note, error: note },
    world,
    closing: new AbortController().signal,
    commandsDirectory,
  }
  const result = endNow(
    { state: 'cancelled', reason: { code: 'cancelled', message: 'before it began' } },
    world,
  )
  const record = async (onWait: () => void) =>
    recordEnd({ command, operation, state: 'taken' }, result, onWait, parts)
  return { directory, disk, world, told, record }
}

describe('the end of a command that a full disk keeps from the journal', () => {
  test('may be told where the files of the command say that it was begun', async () => {
    const { directory, record, told } = await aFullDisk()
    await writeFile(join(directory, 'begun'), '{}')
    await record(() => expect.unreachable())
    expect(told).toEqual([])
  })

  test.for([
    [1, 'sent'],
    [2, 'ended'],
  ] as const)(
    'is not told of one that was never begun before the journal knows, with room for %i: a crash would let it run',
    async ([room, known]) => {
      const { disk, record, told, world } = await aFullDisk()
      const waits = Promise.withResolvers<void>()
      let isTold = false
      const recorded = record(waits.resolve).finally(() => {
        isTold = true
      })
      await waits.promise
      await world.untilSleeping()
      expect(isTold).toBe(false)
      disk.room = room
      await world.advance(60_000)
      await recorded
      expect(told).toEqual([known])
    },
  )
})
