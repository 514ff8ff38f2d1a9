import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { createPathProbe, findFarMount, parseFarMounts } from './unresponsive-path.ts'

const threeMounts = ['/mnt/a', '/mnt/b', '/mnt/c']
  .map((at) => `40 26 0:50 / ${at} rw - nfs4 s:/x rw`)
  .join('\n')

/** What is read of a file whose server is gone. */
const never = 'never'

/** File systems that answer when they are told to; unless said otherwise they lie at /mnt/a, /mnt/b and /mnt/c. */
function aMachine(
  mountinfo = threeMounts,
  links: Record<string, string> = {},
  heads: Record<string, string> = {},
) {
  const world = fakeWorld()
  const looks = new Map<string, PromiseWithResolvers<void>>()
  const reads: string[] = []
  const probe = createPathProbe(world, {
    readMounts: () => mountinfo,
    readLink: (path) => links[path],
    look: async (path) => {
      const answer = Promise.withResolvers<void>()
      looks.set(path, answer)
      await answer.promise
    },
    readHead: async (path) => {
      reads.push(path)
      if (heads[path] === never) await new Promise(() => undefined)
      return Buffer.from(heads[path] ?? '')
    },
  })
  const find = async (...paths: string[]) => await probe.findUnresponsive(() => paths)
  const hang = async (...paths: string[]) => {
    const found = find(...paths)
    await world.untilSleeping()
    await world.advance(5000)
    return await found
  }
  const execute = async (path: string) =>
    await probe.findUnresponsive(
      () => [],
      () => ({ path, directory: '/work' }),
    )
  return { world, looks, reads, probe, find, hang, execute }
}

describe('a path that leads to another machine', () => {
  test('is told by the table of mounts', () => {
    const table = [
      '26 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw',
      '40 26 0:50 / /mnt/with\\040space rw shared:2 master:1 - nfs4 server:/export rw',
      '41 26 0:51 / /mnt/ssh rw - fuse.sshfs host:/ rw',
      '42 26 0:52 / /mnt/shared rw - virtiofs tag rw',
      '43 26 0:53 / /mnt/mounted rw - autofs systemd-1 rw',
      '44 43 0:54 / /mnt/mounted rw - nfs4 server:/other rw',
    ].join('\n')
    expect(Object.fromEntries(parseFarMounts(table))).toEqual({
      '/mnt/with space': 'nfs4',
      '/mnt/ssh': 'fuse.sshfs',
      '/mnt/shared': 'virtiofs',
      '/mnt/mounted': 'nfs4',
    })
  })

  test('is not what every machine has of its own kernel', () => {
    const table = [
      '30 25 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw',
      '31 24 0:31 / /sys/fs/fuse/connections rw - fusectl fusectl rw',
      '32 25 0:32 / /proc/fs/nfsd rw - nfsd nfsd rw',
    ].join('\n')
    expect(parseFarMounts(table).size).toBe(0)
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
    const found = findFarMount(path, new Map([['/mnt/nfs', 'nfs4']]), (at) => {
      looked.push(at)
      return links[at]
    })
    expect(found).toBe(mount)
    expect(looked.filter((at) => at.startsWith('/mnt/nfs/') || at === '/mnt/nfs')).toEqual([])
  })
})

describe('a file system that does not answer', () => {
  test('is told after a while, and from then on at once, until it answers', async () => {
    const { find, looks, hang } = aMachine()
    expect(await hang('/mnt/a/file')).toBe('/mnt/a/file')
    expect(await find('/bin/sh', '/mnt/a/other')).toBe('/mnt/a/other')
    expect(await find('/bin/sh', '/tmp')).toBeUndefined()
    looks.get('/mnt/a/file')?.reject(new Error('stale handle'))
    await nextTurn()
    const again = find('/mnt/a/other')
    await nextTurn()
    looks.get('/mnt/a/other')?.resolve()
    expect(await again).toBeUndefined()
  })

  test('is asked once for all who want to know at the same moment', async () => {
    const { find, looks } = aMachine()
    const all = ['/mnt/a/1', '/mnt/a/2', '/mnt/a/3'].map((path) => find(path))
    await nextTurn()
    expect([...looks.keys()]).toEqual(['/mnt/a/1'])
    looks.get('/mnt/a/1')?.resolve()
    expect(await Promise.all(all)).toEqual([undefined, undefined, undefined])
  })

  test('costs a thread, so that of many only two are waited for', async () => {
    const { find, looks, hang } = aMachine()
    expect(await hang('/mnt/a/file')).toBe('/mnt/a/file')
    expect(await hang('/mnt/b/file')).toBe('/mnt/b/file')
    expect(await find('/mnt/c/file')).toBe('/mnt/c/file')
    expect(looks.has('/mnt/c/file')).toBe(false)
  })
  test('is one home of many, where each is mounted when it is wanted', async () => {
    const { find, looks, hang } = aMachine('40 26 0:50 / /home rw - autofs auto.home rw')
    expect(await hang('/home/dead/file')).toBe('/home/dead/file')
    expect(await find('/home/dead/other')).toBe('/home/dead/other')
    const others = find('/home/alive/file')
    await nextTurn()
    looks.get('/home/alive/file')?.resolve()
    expect(await others).toBeUndefined()
  })

  test('is seen behind the link that a program is', async () => {
    const { hang } = aMachine(threeMounts, { '/usr/local/bin/tool': '/mnt/a/tool' })
    expect(await hang('/usr/local/sbin/tool', '/usr/local/bin/tool')).toBe('/usr/local/bin/tool')
  })
})

describe('a script that is to be executed', () => {
  test.for([
    ['its interpreter', { '/bin/tool': '#!/mnt/a/sh\n' }],
    ['one that is named from the directory it starts in', { '/bin/tool': '#!../mnt/a/sh\n' }],
    ['the interpreter of its interpreter', { '/bin/tool': '#!/bin/i\n', '/bin/i': '#!/mnt/a/sh' }],
  ] as const)('is not executed where %s does not answer', async ([, heads]) => {
    const { execute, world } = aMachine(threeMounts, {}, heads)
    const found = execute('/bin/tool')
    await world.untilSleeping()
    await world.advance(5000)
    expect(await found).toBe('/mnt/a/sh')
  })

  test('is not executed where it cannot be read in time, and its file system is asked no more', async () => {
    const { execute, world, reads } = aMachine(threeMounts, {}, { '/mnt/a/tool': never })
    const both = [execute('/mnt/a/tool'), execute('/mnt/a/tool')]
    await world.untilSleeping()
    await world.advance(5000)
    expect(await Promise.all(both)).toEqual(['/mnt/a/tool', '/mnt/a/tool'])
    expect(reads).toEqual(['/mnt/a/tool'])
  })

  test('is executed where all answer, and one that names itself is not followed for ever', async () => {
    const heads = { '/mnt/a/tool': '#!/bin/sh\n', '/bin/sh': '\x7fELF' }
    const { execute, reads } = aMachine(threeMounts, {}, heads)
    expect(await execute('/mnt/a/tool')).toBeUndefined()
    expect(reads).toEqual(['/mnt/a/tool', '/bin/sh'])
    const round = aMachine(threeMounts, {}, { '/bin/round': '#!/bin/round\n' })
    expect(await round.execute('/bin/round')).toBeUndefined()
    expect(round.reads.length).toBeLessThan(10)
  })
})

test('where there is nothing far, nothing is asked, not even which paths there are', async () => {
  const { probe, looks } = aMachine('26 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw')
  let listed = 0
  const listPaths = () => {
    listed += 1
    return []
  }
  const findProgram = () => {
    listed += 1
    return undefined
  }
  expect(await probe.findUnresponsive(listPaths, findProgram)).toBeUndefined()
  expect(listed + looks.size).toBe(0)
})
