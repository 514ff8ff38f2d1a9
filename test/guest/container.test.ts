import { randomBytes } from 'node:crypto'
import { access, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { waitFor } from '../system/wait-for.ts'
import {
  type BootedGuest,
  bootGuest,
  containerQueueUrl,
  skipNote,
  whyNoContainer,
} from './boot-guest.ts'
import { buildGuest, type GuestImage } from './build-guest.ts'
import { type GuestCluster, startGuestCluster } from './guest-cluster.ts'
import { missingForGuest } from './missing-for-guest.ts'
import { reachableFrom } from './reachable-from.ts'
import type { Container } from './start-container.ts'

/** A booting container beside other tests on two cores. */
const bootPatienceMs = 60_000
/** Making Debian for the first time; afterwards it takes some 15 s. */
const buildPatienceMs = 400_000

const missing = missingForGuest('container') ?? (await whyNoContainer())
const stack = new AsyncDisposableStack()
let image: GuestImage
let cluster: GuestCluster

beforeAll(async () => {
  if (missing !== undefined) return
  const directory = await mkdtemp(join(tmpdir(), 'sahara-image-'))
  stack.defer(async () => rm(directory, { recursive: true, force: true }))
  cluster = stack.use(await startGuestCluster(containerQueueUrl))
  image = await buildGuest('container', directory)
}, buildPatienceMs)
afterAll(async () => stack.disposeAsync(), bootPatienceMs)

describe.skipIf(missing !== undefined)(`an image's file tree${skipNote(missing)}`, () => {
  test('holds nothing of an identity', async () => {
    expect(await readFile(join(image.tree, 'etc/machine-id'), 'utf8')).toBe('')
    for (const path of [
      'var/lib/sahara-agent',
      'etc/sahara-agent/bootstrap.json',
      'var/lib/dbus/machine-id',
      'var/lib/systemd/random-seed',
      'var/lib/cloud',
      'root/.ssh',
    ]) {
      await expect(access(join(image.tree, path)), path).rejects.toThrow('ENOENT')
    }
    const keys = await execa('find', [image.tree, '-name', 'ssh_host_*', '-o', '-name', '*.db'])
    expect(keys.stdout).not.toContain('ssh_host')
    expect(keys.stdout).not.toContain('agent.db')
  })

  test('has the agent enabled, and its files writable by root alone', async () => {
    const wants = join(image.tree, 'etc/systemd/system/multi-user.target.wants')
    expect(await readdir(wants)).toContain('sahara-agent.service')
    const paths = ['usr/bin/sahara-agent', 'usr/lib/sahara-agent', 'etc/sahara-agent'].map((path) =>
      join(image.tree, path),
    )
    const found = await execa('find', [...paths, '-perm', '/022', '-o', '!', '-user', 'root'])
    expect(found.stdout).toBe('')
  })
})

describe.skipIf(missing !== undefined)(
  `an instance made from the image${skipNote(missing)}`,
  () => {
    test.for(['cloud-config', 'script'] as const)(
      'joins its cluster by itself, with user-data as a %s, and answers',
      { timeout: bootPatienceMs * 2 },
      async (format) => {
        const name = `by-${format}`
        await using guest = await boot(name, await cluster.renderUserData(name, format))
        await cluster.waitUntilEnrolled(name, bootPatienceMs)
        expect(await cluster.sh(name, 'cat /etc/hostname')).toBe('guest\n')
        expect(await modeOf(guest, 'etc/sahara-agent/bootstrap.json')).toBe('600')
      },
    )

    test('moves files, opens no port, keeps its secrets for root, and survives the agent’s and its own death', {
      timeout: bootPatienceMs * 4,
    }, async () => {
      const name = 'worker-1'
      await using guest = await boot(name, await cluster.renderUserData(name, 'cloud-config'))
      await cluster.waitUntilEnrolled(name, bootPatienceMs)

      await movesAFile(name)
      expect(await cluster.sh(name, 'ss -H -lntup')).toBe('')
      await reachesTheQueueAlone(name)
      expect(await cluster.sh(name, "grep 'Max core' /proc/$(pidof -s node)/limits")).toMatch(
        /\s0\s/,
      )
      await keepsItsSecrets(guest)
      await outlivesItsAgent(name)
      await reportsAnInterruptedCommand(name, guest)
    })

    test('whose user-data is broken says on the console what it misses, and waits without spinning, until it comes', {
      timeout: bootPatienceMs * 3,
    }, async () => {
      const name = 'late'
      await using guest = await boot(name, '#cloud-config\n{ write_files: [ \n')
      await guest.console.until(
        /waiting for a usable bootstrap file at \S+: there is none yet/,
        bootPatienceMs,
      )
      const bootstrap = join(guest.root, 'etc/sahara-agent/bootstrap.json')
      await writeFile(bootstrap, '{"v":1}', { mode: 0o600 })
      await guest.console.until(/waiting for a usable bootstrap file at \S+: wrong at/, 90_000)
      const userData = await cluster.renderUserData(name, 'script')
      const json = /END_OF_BOOTSTRAP'\n(?<json>.*)\nEND_OF_BOOTSTRAP/.exec(userData)?.groups?.[
        'json'
      ]
      await writeFile(bootstrap, `${json}\n`)
      await cluster.waitUntilEnrolled(name, 90_000)
      expect(await cluster.sh(name, 'systemctl show --property=NRestarts sahara-agent')).toBe(
        'NRestarts=0\n',
      )
    })

    test('boots to its end, even if the agent never comes to work', {
      timeout: bootPatienceMs * 2,
    }, async () => {
      const first = { userData: '#cloud-config\n{}\n', prepare: hangAgent }
      await using guest = await bootGuest(image, cluster, 'stuck', first)
      await guest.console.until(/Reached target .*multi-user\.target/, bootPatienceMs)
      await guest.console.until(/Cloud-init v\. .* finished at/, bootPatienceMs)
    })

    test('starts over when it was cloned from an enrolled guest', {
      timeout: bootPatienceMs * 3,
    }, async () => {
      const name = 'original'
      await using guest = await boot(name, await cluster.renderUserData(name, 'cloud-config'))
      await cluster.waitUntilEnrolled(name, bootPatienceMs)
      await guest.cutPower()
      const seed = join(guest.root, 'var/lib/cloud/seed/nocloud')
      await writeFile(join(seed, 'meta-data'), 'instance-id: the-clone\nlocal-hostname: guest\n')
      await writeFile(
        join(seed, 'user-data'),
        await cluster.renderUserData('clone', 'cloud-config'),
      )
      guest.boot()
      await cluster.waitUntilEnrolled('clone', bootPatienceMs)
      expect(await cluster.sh('clone', 'cat /etc/hostname')).toBe('guest\n')
    })
  },
)

const boot = async (name: string, userData: string): Promise<BootedGuest> =>
  bootGuest(image, cluster, name, { userData })

async function hangAgent(root: string): Promise<void> {
  await writeFile(join(root, 'usr/bin/sahara-agent'), '#!/bin/sh\nexec sleep infinity\n')
}

/** Its network is one cable; at the far end one port answers, and nobody forwards what is meant for others. */
async function reachesTheQueueAlone(name: string): Promise<void> {
  const others = ['10.99.0.1 22', '169.254.169.254 80', '9.9.9.9 443']
  expect(await reachableFrom(cluster, name, [...others, '10.99.0.1 80'])).toEqual(['10.99.0.1 80'])
}

async function movesAFile(name: string): Promise<void> {
  const sent = join(cluster.directory, 'sent')
  const returned = join(cluster.directory, 'returned')
  const bytes = randomBytes(700_000)
  await writeFile(sent, bytes)
  expect((await cluster.cli('put', sent, `test/${name}:/srv/file`)).exitCode).toBe(0)
  expect((await cluster.cli('get', `test/${name}:/srv/file`, returned)).exitCode).toBe(0)
  expect(bytes.equals(await readFile(returned))).toBe(true)
}

async function keepsItsSecrets(guest: Container): Promise<void> {
  expect(await modeOf(guest, 'var/lib/sahara-agent')).toBe('700')
  for (const file of ['identity.json', 'credentials.json', 'agent.db']) {
    expect(await modeOf(guest, `var/lib/sahara-agent/${file}`), file).toBe('600')
  }
}

async function outlivesItsAgent(name: string): Promise<void> {
  const id = await cluster.begin(
    name,
    'touch /run/begun; while [ ! -e /run/go ]; do sleep 0.1; done; echo end',
  )
  await waitFor('it to begin', async () => (await cluster.sh(name, 'ls /run')).includes('begun'))
  const before = await cluster.sh(name, 'systemctl show --property=MainPID sahara-agent')
  await cluster.begin(name, 'systemctl kill --kill-who=main --signal=KILL sahara-agent')
  expect(
    await cluster.sh(name, 'touch /run/go; systemctl show --property=MainPID sahara-agent'),
  ).not.toBe(before)
  expect(await cluster.end(id)).toBe('succeeded')
}

async function reportsAnInterruptedCommand(name: string, guest: Container): Promise<void> {
  const id = await cluster.begin(name, 'touch /srv/begun; sleep 1000')
  await waitFor('it to begin', async () => (await cluster.sh(name, 'ls /srv')).includes('begun'))
  await guest.cutPower()
  guest.boot()
  expect(await cluster.end(id)).toBe('interrupted')
  expect(await cluster.sh(name, 'echo back')).toBe('back\n')
}

async function modeOf({ root }: Container, path: string): Promise<string> {
  return ((await stat(join(root, path))).mode & 0o777).toString(8)
}
