import { access, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bootGuest, containerQueueUrl, whyNoContainer } from './boot-guest.ts'
import { buildGuest, type GuestImage } from './build-guest.ts'
import { type GuestCluster, startGuestCluster } from './guest-cluster.ts'
import { missingForGuest } from './missing-for-guest.ts'

const patienceMs = 200_000
const root = fileURLToPath(new URL('../../', import.meta.url))

const stack = new AsyncDisposableStack()
let image: GuestImage
let cluster: GuestCluster
let directory: string

beforeAll(async () => {
  const missing =
    missingForGuest('container') ?? missingForGuest('element') ?? (await whyNoContainer())
  if (missing !== undefined) throw new Error(`npm run test:guest cannot run here: ${missing}`)
  directory = await mkdtemp(join(tmpdir(), 'sahara-element-'))
  stack.defer(async () => rm(directory, { recursive: true, force: true }))
  cluster = stack.use(await startGuestCluster(containerQueueUrl))
  image = await buildGuest('container', directory)
})
afterAll(async () => stack.disposeAsync())

test('what diskimage-builder makes with the element holds no identity, and joins by itself', async () => {
  const tree = await runDiskImageBuilder()
  expect(await readFile(join(tree, 'etc/machine-id'), 'utf8')).toBe('')
  for (const path of ['var/lib/sahara-agent', 'etc/sahara-agent/bootstrap.json', 'var/lib/cloud']) {
    await expect(access(join(tree, path)), path).rejects.toThrow('ENOENT')
  }
  const sources = await readFile(
    join(tree, 'etc/cloud/cloud.cfg.d/91-dib-cloud-init-datasources.cfg'),
    'utf8',
  )
  expect(sources).toContain('ConfigDrive, OpenStack, NoCloud, None')

  const name = 'by-element'
  const userData = await cluster.renderUserData(name, 'cloud-config')
  await using _guest = await bootGuest({ tree }, cluster, name, { userData })
  await cluster.waitUntilEnrolled(name, patienceMs)
  expect(await cluster.sh(name, 'cat /etc/hostname')).toBe('guest\n')
})

/** The real program with the real element, on the Debian that is in the cache already; returns the file tree that came out. */
async function runDiskImageBuilder(): Promise<string> {
  const output = join(directory, 'by-element')
  const work = join(directory, 'work')
  const tree = join(directory, 'tree-by-element')
  for (const path of [work, tree]) await mkdir(path)
  const elements = ['cloud-init/elements', 'test/guest/elements'].map((path) => join(root, path))
  const flags = ['-t', 'tar', '--no-tmpfs', '-n', '-o', output]
  await execa('disk-image-create', [...flags, 'ready-base', 'sahara-agent'], {
    cwd: directory,
    env: {
      ELEMENTS_PATH: elements.join(':'),
      DIB_SAHARA_AGENT_DEB: image.deb,
      READY_BASE: image.base,
      TMP_DIR: work,
      TMPDIR: work,
      DIB_IMAGE_CACHE: join(directory, 'cache'),
    },
  })
  await execa('tar', ['-C', tree, '--numeric-owner', '-xf', `${output}.tar`])
  return tree
}
