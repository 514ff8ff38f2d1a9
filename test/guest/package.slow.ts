import { access, appendFile, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitFor } from '../system/wait-for.ts'
import { type BootedGuest, bootGuest, containerQueueUrl, whyNoContainer } from './boot-guest.ts'
import { buildGuest, type GuestImage } from './build-guest.ts'
import { type GuestCluster, startGuestCluster } from './guest-cluster.ts'
import { missingForGuest } from './missing-for-guest.ts'

const patienceMs = 200_000
const tenantsWord = '# The tenant was here.\n'

const stack = new AsyncDisposableStack()
let image: GuestImage
let cluster: GuestCluster
let directory: string

beforeAll(async () => {
  const missing = missingForGuest('container') ?? (await whyNoContainer())
  if (missing !== undefined) throw new Error(`npm run test:guest cannot run here: ${missing}`)
  directory = await mkdtemp(join(tmpdir(), 'sahara-package-'))
  stack.defer(async () => rm(directory, { recursive: true, force: true }))
  cluster = stack.use(await startGuestCluster(containerQueueUrl))
  image = await buildGuest('container', directory)
})
afterAll(async () => stack.disposeAsync())

test('the package is upgraded under running commands, removed, put back and purged', async () => {
  const name = 'packaged'
  const userData = await cluster.renderUserData(name, 'cloud-config')
  await using guest = await bootGuest(image, cluster, name, { userData })
  await cluster.waitUntilEnrolled(name, patienceMs)
  await isUpgradedUnderACommand(name, guest)
  await isRemovedAndPutBack(name, guest)
  await isPurged(name, guest)
})

async function isUpgradedUnderACommand(name: string, { root }: BootedGuest): Promise<void> {
  await appendFile(join(root, 'etc/sahara-agent/policy.yaml'), tenantsWord)
  await copyFile(await makeNewer(image.deb), join(root, 'srv/newer.deb'))
  const id = await cluster.begin(
    name,
    'touch /run/begun; while [ ! -e /run/go ]; do sleep 0.1; done; echo end',
  )
  await waitFor('it to begin', async () => (await cluster.sh(name, 'ls /run')).includes('begun'))
  const mainPid = 'systemctl show --value --property=MainPID sahara-agent'
  const before = await cluster.sh(name, mainPid)

  // By the agent itself, which the upgrade restarts: neither this command nor the other one takes harm.
  await cluster.sh(name, 'dpkg --force-confdef --force-confold --install /srv/newer.deb')
  await waitFor(
    'the new agent',
    async () => {
      const now = await cluster.sh(name, mainPid)
      return now !== before && now !== '0\n'
    },
    patienceMs,
  )
  await cluster.sh(name, 'touch /run/go')
  expect(await cluster.end(id)).toBe('succeeded')
  expect(
    await cluster.sh(name, `dpkg-query --show --showformat='\${Version}' sahara-agent`),
  ).toMatch(/\+newer$/)
  expect(await readPolicy(root)).toContain(tenantsWord)
  expect(await readFile(join(root, 'etc/sahara-agent/policy.yaml.dpkg-dist'), 'utf8')).toContain(
    '# New in this version.',
  )
}

async function isRemovedAndPutBack(name: string, guest: BootedGuest): Promise<void> {
  const { root } = guest
  await cluster.begin(name, 'touch /run/lingering; sleep 123456')
  await waitFor('it to begin', async () =>
    (await cluster.sh(name, 'ls /run')).includes('lingering'),
  )
  // What runs as a command ends with the agent: only a unit of its own can see the removal through, and put it back.
  const removal = `install -D --mode=0400 /dev/null /run/sahara-agent-0123456789abcdef/1/secret
    install --directory --mode=0711 /dev/shm/sahara-agent-0123456789abcdef
    install --directory --owner=nobody /dev/shm/sahara-agent-of-another
    ln -s /srv /dev/shm/sahara-agent-link
    dpkg --remove sahara-agent
    ls -d /run/sahara-agent-* /dev/shm/sahara-agent-* >/srv/memory || true
    rm -rf /dev/shm/sahara-agent-*
    systemctl is-active sahara-agent >/srv/active || true
    pgrep --full --list-full '[s]leep 123456|[s]ahara-agent/node' >/srv/processes || true
    touch /srv/removed
    until [ -e /srv/go ]; do sleep 0.1; done
    dpkg --install /srv/newer.deb`
  await inAUnitOfItsOwn(name, guest, removal, 'removed')
  expect(await readFile(join(root, 'srv/active'), 'utf8')).toBe('inactive\n')
  expect(await readFile(join(root, 'srv/processes'), 'utf8')).toBe('')
  // Of the agent's secrets nothing; what others have in a place that is everybody's is theirs.
  expect(await readFile(join(root, 'srv/memory'), 'utf8')).toBe(
    '/dev/shm/sahara-agent-link\n/dev/shm/sahara-agent-of-another\n',
  )
  await expect(access(join(root, 'usr/lib/sahara-agent'))).rejects.toThrow('ENOENT')
  await expect(access(join(root, 'usr/bin/sahara-agent'))).rejects.toThrow('ENOENT')
  expect(await readPolicy(root)).toContain(tenantsWord)
  // Keys stay, so that it is the same instance when it comes back.
  await access(join(root, 'var/lib/sahara-agent/identity.json'))

  await writeFile(join(root, 'srv/go'), '')
  expect(await cluster.sh(name, 'echo back')).toBe('back\n')
  expect(await cluster.sh(name, 'systemctl is-enabled sahara-agent')).toBe('enabled\n')
}

/** What is left is the image recipe's, for cloud-init, and no part of the package. */
async function isPurged(name: string, guest: BootedGuest): Promise<void> {
  const purge = `dpkg --purge sahara-agent
    find / -xdev -name '*sahara-agent*' -not -path '/etc/cloud/*' >/srv/left
    touch /srv/purged`
  await inAUnitOfItsOwn(name, guest, purge, 'purged')
  expect(await readFile(join(guest.root, 'srv/left'), 'utf8')).toBe('')
}

/** Starts a script that outlives the agent, and waits until it has made `/srv/MARK`. */
async function inAUnitOfItsOwn(
  name: string,
  { root }: BootedGuest,
  script: string,
  mark: string,
): Promise<void> {
  const path = join(root, `srv/${mark}.sh`)
  await writeFile(path, `#!/bin/sh\nset -eu\n${script}\n`, { mode: 0o700 })
  await cluster.begin(name, `systemd-run --quiet --unit=${mark} /srv/${mark}.sh`)
  const exists = async () =>
    access(join(root, 'srv', mark)).then(
      () => true,
      () => false,
    )
  await waitFor(`/srv/${mark}`, exists, patienceMs)
}

/** The same package with a higher version, and another policy as its proposal. */
async function makeNewer(deb: string): Promise<string> {
  const tree = join(directory, 'newer')
  await execa('dpkg-deb', ['--raw-extract', deb, tree])
  const control = join(tree, 'DEBIAN/control')
  const text = await readFile(control, 'utf8')
  await writeFile(control, text.replace(/^(Version: .*)$/m, '$1+newer'))
  await appendFile(join(tree, 'etc/sahara-agent/policy.yaml'), '# New in this version.\n')
  const file = `${tree}.deb`
  await execa('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, file])
  return file
}

async function readPolicy(root: string): Promise<string> {
  return readFile(join(root, 'etc/sahara-agent/policy.yaml'), 'utf8')
}
