import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { GuestImage } from './build-guest.ts'
import type { GuestCluster } from './guest-cluster.ts'
import { type GuestNetwork, layGuestNetwork } from './guest-network.ts'
import { type Container, type FirstBoot, startContainer } from './start-container.ts'

/** The queue service's address in every container's network. */
export const containerQueueUrl = 'http://10.99.0.1'

/** A container that runs, on a cable of its own. */
export interface BootedGuest extends Container {
  network: GuestNetwork
}

let guests = 0

/** Boots a container from an image, with this user-data, as an instance whose id is `uuid-of-NAME`. */
export async function bootGuest(
  image: Pick<GuestImage, 'tree'>,
  cluster: GuestCluster,
  name: string,
  first: Omit<FirstBoot, 'instanceId'> & { isCableCut?: boolean },
): Promise<BootedGuest> {
  await using opened = new AsyncDisposableStack()
  guests += 1
  const id = `${process.pid}-${guests}`
  const directory = join(cluster.directory, `${name}-${id}`)
  await mkdir(directory)
  const network = opened.use(await layGuestNetwork(id, cluster.queueUrl, directory))
  if (first.isCableCut === true) await network.setCable('down')
  const seed = { ...first, instanceId: `uuid-of-${name}` }
  const container = opened.use(await startContainer(image, network, directory, seed))
  const rest = opened.move()
  return { ...container, network, [Symbol.asyncDispose]: async () => rest.disposeAsync() }
}

/** Many machines that run tests are containers themselves, and may not mount or make network namespaces. */
export async function whyNoContainer(): Promise<string | undefined> {
  const probe =
    'mount -t tmpfs none /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && mount -t overlay none -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w /mnt/m && ip link add name cable type veth peer name other'
  const { failed, stderr } = await execa('unshare', ['--mount', '--net', 'sh', '-c', probe], {
    reject: false,
  })
  return failed ? `this machine lets no container be started: ${stderr.slice(0, 200)}` : undefined
}

/** For a test's title. */
export function skipNote(reason: string | undefined): string {
  return reason === undefined ? '' : ` (skipped: ${reason})`
}
