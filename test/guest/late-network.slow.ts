import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bootGuest, containerQueueUrl, whyNoContainer } from './boot-guest.ts'
import { buildGuest, type GuestImage } from './build-guest.ts'
import { type GuestCluster, startGuestCluster } from './guest-cluster.ts'
import { missingForGuest } from './missing-for-guest.ts'

const patienceMs = 200_000

const stack = new AsyncDisposableStack()
let image: GuestImage
let cluster: GuestCluster

beforeAll(async () => {
  const missing = missingForGuest('container') ?? (await whyNoContainer())
  if (missing !== undefined) throw new Error(`npm run test:guest cannot run here: ${missing}`)
  const directory = await mkdtemp(join(tmpdir(), 'sahara-late-'))
  stack.defer(async () => rm(directory, { recursive: true, force: true }))
  cluster = stack.use(await startGuestCluster(containerQueueUrl))
  image = await buildGuest('container', directory)
})
afterAll(async () => stack.disposeAsync())

test('an instance whose network comes late boots to its end, and joins when it comes', async () => {
  const name = 'unconnected'
  const userData = await cluster.renderUserData(name, 'cloud-config')
  const first = { userData, isCableCut: true, prepare: waitForNoNetwork }
  await using guest = await bootGuest(image, cluster, name, first)
  await guest.console.until(/Reached target .*multi-user\.target/, patienceMs)
  await guest.console.until(/Cloud-init v\. .* finished at/, patienceMs)
  await guest.network.setCable('up')
  await cluster.waitUntilEnrolled(name, patienceMs)

  // Nothing is ordered behind the agent but the end of the boot, and that waits for its process alone, not for its work.
  const show = 'systemctl show --value --property'
  expect(await cluster.sh(name, `${show}=Type sahara-agent`)).toBe('exec\n')
  const before = await cluster.sh(name, `${show}=Before sahara-agent`)
  expect(before.trim().split(' ').toSorted()).toEqual(['multi-user.target', 'shutdown.target'])
})

/** cloud-init, not the agent, would make the boot wait for two minutes. */
async function waitForNoNetwork(root: string): Promise<void> {
  const directory = join(root, 'etc/systemd/system/systemd-networkd-wait-online.service.d')
  await mkdir(directory, { recursive: true })
  const program = '/lib/systemd/systemd-networkd-wait-online'
  await writeFile(
    join(directory, 'impatient.conf'),
    `[Service]\nExecStart=\nExecStart=${program} --timeout=5\n`,
  )
}
