import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { lookAtNetwork } from './look-at-network.ts'
import { createLookout } from './lookout.ts'

const never = new AbortController().signal

describe('whoever waits for the network', () => {
  test('is told within three seconds that it has changed', async () => {
    const world = fakeWorld()
    let network = 'down'
    const told = createLookout(world, () => network).untilBack(never)
    await world.advance(60_000)
    network = 'up'
    await world.advance(3000)
    await told
    expect(world.sleeperCount()).toBe(0)
  })

  test('is told that somebody else has got through', async () => {
    const world = fakeWorld()
    const lookout = createLookout(world, () => 'the same')
    const both = Promise.all([lookout.untilBack(never), lookout.untilBack(never)])
    lookout.cameBack()
    await world.advance(1000)
    await both
    const told: string[] = []
    const tell = async () => {
      await lookout.untilBack(never)
      told.push('later')
    }
    const later = tell()
    await world.advance(10_000)
    expect(told).toEqual([])
    lookout.cameBack()
    await world.advance(1000)
    await later
  })

  test('acts when somebody else has got through, until that is over', () => {
    const lookout = createLookout(fakeWorld(), () => 'the same')
    let count = 0
    const watch = lookout.whenBack(() => {
      count += 1
    })
    lookout.cameBack()
    expect(count).toBe(0)
    lookout.cameBack(1)
    watch[Symbol.dispose]()
    lookout.cameBack(1)
    expect(count).toBe(1)
  })

  test('leaves nothing behind when it gives up', async () => {
    const world = fakeWorld()
    const stop = new AbortController()
    const waiting = createLookout(world, () => 'the same').untilBack(stop.signal)
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(world.sleeperCount()).toBe(0)
  })
})

test('the network looks the same when it has not changed', () => {
  expect(lookAtNetwork()).toBe(lookAtNetwork())
})
