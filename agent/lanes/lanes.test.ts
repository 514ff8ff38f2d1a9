import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createLanes, type Place } from './lanes.ts'

const never = new AbortController().signal

/** Joins a lane and notes when the turn comes. */
function joinAndWait(lanes: ReturnType<typeof createLanes>, name: string, started: string[]) {
  const place: Place = lanes.join(name.split('-').at(0))
  const turn = place.turn(never).then(() => started.push(name))
  return { ...place, waited: turn }
}

describe('lanes', () => {
  test('run the commands of one lane one after the other, and different lanes at once', async () => {
    const lanes = createLanes(() => 16)
    const started: string[] = []
    const [a1, , b1] = ['a-1', 'a-2', 'b-1'].map((name) => joinAndWait(lanes, name, started))
    await Promise.all([a1?.waited, b1?.waited])
    expect(started).toEqual(['a-1', 'b-1'])
    a1?.leave()
    await nextTurn()
    expect(started).toEqual(['a-1', 'b-1', 'a-2'])
  })

  test('run no more commands at once than may', async () => {
    const lanes = createLanes(() => 2)
    const started: string[] = []
    const places = ['a-1', 'b-1', 'c-1', 'd-1'].map((name) => joinAndWait(lanes, name, started))
    await nextTurn()
    expect(started).toEqual(['a-1', 'b-1'])
    places[1]?.leave()
    await nextTurn()
    expect(started).toEqual(['a-1', 'b-1', 'c-1'])
    expect(lanes.runningCount()).toBe(2)
  })

  test('let those begin that wait when more may run than before', async () => {
    let concurrency = 1
    const lanes = createLanes(() => concurrency)
    const started: string[] = []
    for (const name of ['a-1', 'b-1']) joinAndWait(lanes, name, started)
    concurrency = 2
    lanes.look()
    await nextTurn()
    expect(started).toEqual(['a-1', 'b-1'])
  })

  test('let others pass a lane that is stuck', async () => {
    const lanes = createLanes(() => 2)
    const started: string[] = []
    for (const name of ['a-1', 'a-2', 'a-3', 'b-1']) joinAndWait(lanes, name, started)
    await nextTurn()
    expect(started).toEqual(['a-1', 'b-1'])
  })

  test('keep the place of a command that does not ask for its turn yet', async () => {
    const lanes = createLanes(() => 2)
    const receiving = lanes.join('a')
    const started: string[] = []
    joinAndWait(lanes, 'a-2', started)
    await nextTurn()
    expect(started).toEqual([])
    receiving.leave()
    await nextTurn()
    expect(started).toEqual(['a-2'])
  })

  test('forget one that was given up while it waited', async () => {
    const lanes = createLanes(() => 1)
    const first = lanes.join()
    expect(first.tryTurn()).toBe(true)
    const given = new AbortController()
    const second = lanes.join()
    const turn = second.turn(given.signal)
    given.abort(new Error('cancelled'))
    await expect(turn).rejects.toThrow('cancelled')
    second.leave()
    first.leave()
    expect(lanes.runningCount()).toBe(0)
  })
})
