import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { waitFor } from '../system/wait-for.ts'
import { buildGuest, type GuestImage } from './build-guest.ts'
import { type GuestCluster, startGuestCluster } from './guest-cluster.ts'
import { makeSeed } from './make-seed.ts'
import { missingForGuest } from './missing-for-guest.ts'
import { type Machine, machineQueueUrl, startMachine } from './start-machine.ts'

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
  cluster = stack.use(await startGuestCluster(machineQueueUrl))
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
    await using machine = startMachine(image, seed, cluster.queueUrl, directory)
    await reportBoot(name, machine)

    expect(await cluster.sh(name, 'uname -s; id -u')).toBe('Linux\n0\n')
    // The network's own client waits for its DHCP server's answers; nothing else listens.
    expect(await cluster.sh(name, 'ss -H -lntup | grep -v %eth0:68 || true')).toBe('')
    await reachesNothingElse(name)
    await movesAFile(name)
    await outlivesItsAgent(name)

    const id = await cluster.begin(name, 'touch /srv/begun; sync; sleep 100000')
    await waitFor(
      'it to begin',
      async () => (await cluster.sh(name, 'ls /srv')).includes('begun'),
      bootPatienceMs,
    )
    const rebootedMs = performance.now()
    // At once, as a power cut: an orderly reboot sends SIGTERM to commands first, and they end of that.
    await cluster.begin(name, 'echo b >/proc/sysrq-trigger')
    expect(await cluster.end(id)).toBe('interrupted')
    tell(
      'second boot: from the reboot to the word of the interrupted command',
      performance.now() - rebootedMs,
    )
    expect(await cluster.sh(name, 'echo back')).toBe('back\n')
  })

  test('with a config drive, and user-data as a script, joins by itself', async () => {
    const name = 'worker-2'
    const userData = await cluster.renderUserData(name, 'script')
    const instanceId = '0b6a2a54-3f5c-4a73-9f07-6f3a5cf1f6d2'
    const seed = await makeSeed('config-drive', { userData, instanceId }, directory)
    await using machine = startMachine(image, seed, cluster.queueUrl, directory)
    await reportBoot(name, machine)
    const shown = await cluster.cli('instance', 'show', `test/${name}`, '--json')
    expect(shown.stdout).toContain(instanceId)
  })

  test('without any user-data says on its console what it misses', async () => {
    await using machine = startMachine(image, undefined, cluster.queueUrl, directory)
    const missed = /waiting for a usable bootstrap file at \S+: there is none yet/
    tell(
      'without user-data, the console says so',
      await machine.console.until(missed, bootPatienceMs),
    )
  })
})

async function reportBoot(name: string, machine: Machine): Promise<void> {
  const startedMs = performance.now()
  await cluster.waitUntilEnrolled(name, bootPatienceMs)
  const enrolledMs = performance.now() - startedMs
  await cluster.sh(name, 'true')
  const answeredMs = performance.now() - startedMs
  const { until, when } = machine.console
  await until(/Cloud-init v\. .* running 'modules:final'/, bootPatienceMs)
  tell(
    `${name}: kernel hands over to systemd`,
    when(/systemd\[1\]: systemd .* running in system mode/),
  )
  tell(`${name}: cloud-init begins`, when(/Cloud-init v\. .* running 'init-local'/))
  tell(`${name}: cloud-init has the network`, when(/Cloud-init v\. .* running 'init'/))
  tell(`${name}: cloud-init's last stage`, when(/Cloud-init v\. .* running 'modules:final'/))
  tell(`${name}: enrolled`, enrolledMs)
  tell(`${name}: first command answered`, answeredMs)
  process.stdout.write(
    await cluster.sh(
      name,
      'systemd-analyze; systemctl show --property=ActiveEnterTimestampMonotonic sahara-agent',
    ),
  )
}

/** The controller's machine listens on loopback, and qemu would give it to the guest as 10.0.2.2. */
async function reachesNothingElse(name: string): Promise<void> {
  const port = new URL(cluster.queueUrl).port
  const script = `timeout 5 bash -c '</dev/tcp/10.0.2.2/${port}' 2>&1 && echo reached || echo unreachable`
  expect(await cluster.sh(name, script)).toContain('unreachable')
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

async function outlivesItsAgent(name: string): Promise<void> {
  const id = await cluster.begin(name, 'while [ ! -e /run/go ]; do sleep 0.1; done; echo end')
  await cluster.begin(name, 'systemctl kill --kill-who=main --signal=KILL sahara-agent')
  await cluster.sh(name, 'touch /run/go')
  expect(await cluster.end(id)).toBe('succeeded')
}

function tell(what: string, ms: number | undefined): void {
  const seconds = ms === undefined ? '-' : (ms / 1000).toFixed(1)
  process.stdout.write(`  ${seconds.padStart(6)} s  ${what}\n`)
}
