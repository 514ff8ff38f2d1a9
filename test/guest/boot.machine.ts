import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { waitFor } from '../system/wait-for.ts'
import { buildGuest, type GuestImage } from './build-guest.ts'
import { type GuestCluster, startGuestCluster } from './guest-cluster.ts'
import { makeSeed } from './make-seed.ts'
import { missingForGuest } from './missing-for-guest.ts'
import { reachableFrom } from './reachable-from.ts'
import { serveMetadata } from './serve-metadata.ts'
import { linkLocalNetwork, type Machine, plainNetwork, startMachine } from './start-machine.ts'
import { type WatchedQueue, watchQueue } from './watch-queue.ts'

/** 24 s on a quiet machine; software emulation beside other work takes many times as long. */
const bootPatienceMs = 400_000

const missing = missingForGuest('machine')
const stack = new AsyncDisposableStack()
let image: GuestImage
let cluster: GuestCluster
let directory: string

beforeAll(async () => {
  if (missing !== undefined) throw new Error(`npm run test:guest cannot run here: ${missing}`)
  directory = await mkdtemp(join(tmpdir(), 'sahara-machine-'))
  stack.defer(async () => rm(directory, { recursive: true, force: true }))
  cluster = stack.use(await startGuestCluster(plainNetwork.queueUrl))
  const startedMs = performance.now()
  image = await buildGuest('machine', directory)
  tell('image built (from its cache where that was filled)', performance.now() - startedMs)
})
afterAll(async () => stack.disposeAsync())

describe('a machine booted from the image', () => {
  test('with a NoCloud seed joins by itself, works, loses its agent, and is rebooted in the middle of a command', async () => {
    const name = 'worker-1'
    const userData = await cluster.renderUserData(name, 'cloud-config')
    const seed = await makeSeed('nocloud', { userData, instanceId: 'uuid-1' }, directory)
    await using queue = await watchQueue(cluster.queueUrl)
    await using machine = startMachine(image, { seed }, queue.url, directory)
    await reportBoot(cluster, name, machine, queue)

    expect(await cluster.sh(name, 'uname -s; id -u')).toBe('Linux\n0\n')
    // The network's own client waits for its DHCP server's answers; nothing else listens.
    expect(await cluster.sh(name, 'ss -H -lntup | grep -v %eth0:68 || true')).toBe('')
    await reachesTheQueueAlone(name)
    await movesAFile(name)
    const outliving = await outlivesItsAgent(name)
    const rebooted = await isRebootedInTheMiddle(name)
    await auditTells(name, [outliving, rebooted])
  })

  test('with a config drive, and user-data as a script, joins by itself', async () => {
    const name = 'worker-2'
    const userData = await cluster.renderUserData(name, 'script')
    const instanceId = '0b6a2a54-3f5c-4a73-9f07-6f3a5cf1f6d2'
    const seed = await makeSeed('config-drive', { userData, instanceId }, directory)
    await using queue = await watchQueue(cluster.queueUrl)
    await using machine = startMachine(image, { seed }, queue.url, directory)
    await reportBoot(cluster, name, machine, queue)
    await isCalled(cluster, name, instanceId)
  })

  test('without a disk beside its own asks the metadata service, and joins by itself', async () => {
    const name = 'worker-3'
    // Its network has other addresses, and so its bootstrap another queue URL.
    await using elsewhere = await startGuestCluster(linkLocalNetwork.queueUrl)
    const userData = await elsewhere.renderUserData(name, 'cloud-config')
    const instanceId = '5d1f5a3e-9f4a-4a7e-8c86-3b0f7b7e2a11'
    await using metadata = await serveMetadata({ userData, instanceId })
    await using queue = await watchQueue(elsewhere.queueUrl)
    const parts = { metadataUrl: metadata.url }
    await using machine = startMachine(image, parts, queue.url, directory)
    await reportBoot(elsewhere, name, machine, queue)
    await isCalled(elsewhere, name, instanceId)
  })

  test('without any user-data says on its console what it misses', async () => {
    await using machine = startMachine(image, {}, cluster.queueUrl, directory)
    const missed = /waiting for a usable bootstrap file at \S+: there is none yet/
    tell(
      'without user-data, the console says so',
      await machine.console.until(missed, bootPatienceMs),
    )
  })
})

async function reportBoot(
  { sh, waitUntilEnrolled }: GuestCluster,
  name: string,
  { console, startedMs }: Machine,
  queue: WatchedQueue,
): Promise<void> {
  await waitUntilEnrolled(name, bootPatienceMs)
  const enrolledMs = performance.now()
  await sh(name, 'true')
  const answeredMs = performance.now()
  const { until, when } = console
  await until(/Cloud-init v\. .* running 'modules:final'/, bootPatienceMs)
  tell(
    `${name}: kernel hands over to systemd`,
    when(/systemd\[1\]: systemd .* running in system mode/),
  )
  tell(`${name}: cloud-init begins`, when(/Cloud-init v\. .* running 'init-local'/))
  tell(`${name}: cloud-init has the network`, when(/Cloud-init v\. .* running 'init'/))
  tell(`${name}: cloud-init's last stage`, when(/Cloud-init v\. .* running 'modules:final'/))
  const firstClaimMs = queue.firstClaimMs()
  tell(`${name}: first claim`, firstClaimMs === undefined ? undefined : firstClaimMs - startedMs)
  tell(`${name}: the controller knows it as enrolled`, enrolledMs - startedMs)
  tell(`${name}: first command answered`, answeredMs - startedMs)
  // The guest's own clock: what is in the boot's critical path, and when the agent was started.
  process.stdout.write(
    await sh(
      name,
      'timeout 300 systemctl is-system-running --wait; systemd-analyze; systemctl show --property=ActiveEnterTimestampMonotonic sahara-agent; ' +
        'systemd-analyze critical-chain --no-pager sahara-agent.service cloud-init.service || true',
    ),
  )
}

async function isCalled(known: GuestCluster, name: string, instanceId: string): Promise<void> {
  const shown = await known.cli('instance', 'show', `test/${name}`, '--json')
  expect(shown.stdout).toContain(instanceId)
}

/** The controller's machine listens on loopback, and without `restrict=on` qemu would give it to the guest as `host`. */
async function reachesTheQueueAlone(name: string): Promise<void> {
  const port = new URL(cluster.queueUrl).port
  const { host, queueUrl } = plainNetwork
  const silent = [
    `${host} ${port}`,
    `${host} 22`,
    '10.0.2.3 53',
    '169.254.169.254 80',
    '9.9.9.9 443',
  ]
  const queue = `${new URL(queueUrl).hostname} 80`
  expect(await reachableFrom(cluster, name, [...silent, queue])).toEqual([queue])
}

async function movesAFile(name: string): Promise<void> {
  const sent = join(directory, 'sent')
  const returned = join(directory, 'returned')
  const bytes = randomBytes(700_000)
  await writeFile(sent, bytes)
  expect((await cluster.cli('put', sent, `test/${name}:/srv/file`)).exitCode).toBe(0)
  expect((await cluster.cli('get', `test/${name}:/srv/file`, returned)).exitCode).toBe(0)
  expect(bytes.equals(await readFile(returned))).toBe(true)
}

async function outlivesItsAgent(name: string): Promise<string> {
  const id = await cluster.begin(name, 'while [ ! -e /run/go ]; do sleep 0.1; done; echo end')
  await cluster.begin(name, 'systemctl kill --kill-who=main --signal=KILL sahara-agent')
  await cluster.sh(name, 'touch /run/go')
  expect(await cluster.end(id)).toBe('succeeded')
  return id
}

async function isRebootedInTheMiddle(name: string): Promise<string> {
  const id = await cluster.begin(name, 'touch /srv/begun; sync; sleep 100000')
  await waitFor(
    'it to begin',
    async () => (await cluster.sh(name, 'ls /srv')).includes('begun'),
    bootPatienceMs,
  )
  const bootId = 'cat /proc/sys/kernel/random/boot_id'
  const before = await cluster.sh(name, bootId)
  const rebootedMs = performance.now()
  await cluster.begin(name, 'systemctl reboot')
  expect(await cluster.end(id)).toBe('interrupted')
  tell('from the order to reboot to the word of the command', performance.now() - rebootedMs)
  // Whether this one is answered before the end or after it: until the other boot answers.
  await waitFor(
    'the second boot',
    async () => {
      const { exitCode, stdout } = await cluster.cli(
        'run',
        `test/${name}`,
        '--',
        'sh',
        '-c',
        bootId,
      )
      return exitCode === 0 && stdout !== before
    },
    bootPatienceMs,
  )
  tell('from the order to reboot to the second boot’s first answer', performance.now() - rebootedMs)
  return id
}

/** In the guest, by the tenant's own program, which also finds the log whole. */
async function auditTells(name: string, ids: string[]): Promise<void> {
  const log = await cluster.sh(name, 'sahara-agent audit verify >&2 && sahara-agent audit export')
  const lines = log
    .trim()
    .split('\n')
    .map((line) => AuditLine.parse(JSON.parse(line)))
  for (const id of ids) {
    const told = lines.filter(({ command }) => command === id).map(({ event }) => event)
    expect(told).toEqual(['received', 'begun', 'ended'])
  }
  // One for each boot, and one for the agent that was killed.
  expect(lines.filter(({ event }) => event === 'started')).toHaveLength(3)
}

const AuditLine = z.looseObject({ event: z.string(), command: z.string().optional() })

function tell(what: string, ms: number | undefined): void {
  const seconds = ms === undefined ? '-' : (ms / 1000).toFixed(1)
  process.stdout.write(`  ${seconds.padStart(6)} s  ${what}\n`)
}
