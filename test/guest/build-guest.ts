import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

/** A guest's files as the image recipe makes them, from the sources as they are now. */
export interface GuestImage {
  directory: string
  /** All files of the image. Nobody writes there: a container has an overlay, a machine a snapshot. */
  tree: string
  disk: string
  kernel: string
  initrd: string
  /** The package that was put into it. */
  deb: string
  /** The Debian below, as a tar archive. */
  base: string
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const cache = join(root, '.cache/guest')

/**
 * Packs the agent and runs `cloud-init/image/build-image` with it. The Debian underneath comes from the cache, where it
 * takes half a minute to a few minutes to make for the first time, and the network.
 */
export async function buildGuest(
  form: 'container' | 'machine',
  directory: string,
): Promise<GuestImage> {
  const build = ['cloud-init/build/main.ts', '--quick', '--only', 'deb', '--out', directory]
  const { stdout } = await execa(process.execPath, build, { cwd: root })
  const deb = stdout.trim()
  const flags = form === 'container' ? ['--tree-only'] : []
  await execa(join(root, 'cloud-init/image/build-image'), [...flags, deb, directory, cache])
  return {
    directory,
    tree: join(directory, 'tree'),
    disk: join(directory, 'disk.raw'),
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd.img'),
    deb,
    // From the cache by now.
    base: (await execa(join(root, 'cloud-init/image/make-base'), [cache])).stdout,
  }
}
