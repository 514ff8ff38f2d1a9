import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { createPathProbe, findFarMount, parseFarMounts } from './unresponsive-path.ts'

/** Mounts at /mnt/a, /mnt/b and /mnt/c, which answer when they are told to. */
function aMachine() {
  const world = fakeWorld()
  const looks = new Map<string, PromiseWithResolvers<void>>()
  const probe = createPathProbe(world, {
    readMounts: () =>
      ['/mnt/a', '/mnt/b', '/mnt/c'].map((at) => `40 26 0:50 / ${at} rw - nfs4 s:/x rw`).join('\n'),
    readLink: () => undefined,
    look: async (path) => {
      const answer = Promise.withResolvers<void>()
      looks.set(path, answer)
      await answer.promise
    },
  })
  const hang = async (path: string) => {
    const found = probe.findUnresponsive([path])
    await world.untilSleeping()
    await world.advance(5000)
    return await found
  }
  return { world, looks, probe, hang }
}

describe('a path that leads to another machine', () => {
  test('is told by the table of mounts', () => {
    const table = [
      '26 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw',
      '40 26 0:50 / /mnt/with\\040space rw shared:2 master:1 - nfs4 server:/export rw',
      '41 26 0:51 / /mnt/ssh rw - fuse.sshfs host:/ rw',
    ].join('\n')
    expect(parseFarMounts(table)).toEqual(new Set(['/mnt/with space', '/mnt/ssh']))
  })

  test.for([
    ['/mnt/nfs/file', '/mnt/nfs'],
    ['/mnt/nfs', '/mnt/nfs'],
    ['/mnt/nfs2/file', undefined],
    ['/data/file', '/mnt/nfs'],
    ['/home/user/data/deep/file', '/mnt/nfs'],
    ['/round/file', undefined],
    ['/', undefined],
  ] as const)('is found before it is looked at: %s', ([path, mount]) => {
    const links: Record<string, string> = {
      '/data': '/mnt/nfs/data',
      '/home/user/data': '../../data',
      '/round': 'round',
    }
    const looked: string[] = []
    const found = findFarMount(path, new Set(['/mnt/nfs']), (at) => {
      looked.push(at)
      return links[at]
    })
    expect(found).toBe(mount)
    expect(looked.filter((at) => at.startsWith('/mnt/nfs/') || at === '/mnt/nfs')).toEqual([])
  })
})

describe('a file system that does not answer', () => {
  test('is told after a while, and from then on at once, until it answers', async () => {
    const { probe, looks, hang } = aMachine()
    expect(await hang('/mnt/a/file')).toBe('/mnt/a/file')
    expect(await probe.findUnresponsive(['/bin/sh', '/mnt/a/other'])).toBe('/mnt/a/other')
    expect(await probe.findUnresponsive(['/bin/sh', '/tmp'])).toBeUndefined()
    looks.get('/mnt/a/file')?.reject(new Error('stale handle'))
    await nextTurn()
    const again = probe.findUnresponsive(['/mnt/a/other'])
    looks.get('/mnt/a/other')?.resolve()
    expect(await again).toBeUndefined()
  })

  test('is asked once for all who want to know at the same moment', async () => {
    const { probe, looks } = aMachine()
    const all = ['/mnt/a/1', '/mnt/a/2', '/mnt/a/3'].map((path) => probe.findUnresponsive([path]))
    expect([...looks.keys()]).toEqual(['/mnt/a/1'])
    looks.get('/mnt/a/1')?.resolve()
    expect(await Promise.all(all)).toEqual([undefined, undefined, undefined])
  })

  test('costs a thread, so that of many only two are waited for', async () => {
    const { probe, looks, hang } = aMachine()
    expect(await hang('/mnt/a/file')).toBe('/mnt/a/file')
    expect(await hang('/mnt/b/file')).toBe('/mnt/b/file')
    expect(await probe.findUnresponsive(['/mnt/c/file'])).toBe('/mnt/c/file')
    expect(looks.has('/mnt/c/file')).toBe(false)
  })
})
