import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { GuestImage } from './build-guest.ts'
import { type ConsoleLog, keepConsole } from './console-log.ts'
import type { GuestNetwork } from './guest-network.ts'
import type { Seed } from './make-seed.ts'

/** A container that boots an image's own systemd and cloud-init. Not covered by it: kernel, udev, DHCP, finding a seed. */
export interface Container {
  /** The guest's `/`, for looking at. */
  root: string
  console: ConsoleLog
  /** As a power cut does. */
  cutPower: () => Promise<void>
  /** Boots the same disk again. */
  boot: () => void
  [Symbol.asyncDispose]: () => Promise<void>
}

export interface FirstBoot extends Seed {
  /** Changes the guest's files before it boots. */
  prepare?: (root: string) => Promise<void>
}

/** Lays an overlay over the image, puts user-data where cloud-init looks for a seed, and boots. */
export async function startContainer(
  image: Pick<GuestImage, 'tree'>,
  network: GuestNetwork,
  directory: string,
  { prepare, ...seed }: FirstBoot,
): Promise<Container> {
  const root = join(directory, 'root')
  await using stack = new AsyncDisposableStack()
  await mountOverlay(image.tree, directory, root)
  stack.defer(async () => {
    await execa('umount', ['--lazy', root])
  })
  await plantSeed(root, seed)
  await prepare?.(root)
  const console = keepConsole(join(directory, 'console.log'))
  let running = boot(root, network, console)
  const cutPower = async () => {
    await killInit(running.pid)
    await running
  }
  stack.defer(cutPower)
  const rest = stack.move()
  return {
    root,
    console,
    cutPower,
    boot: () => {
      running = boot(root, network, console)
    },
    [Symbol.asyncDispose]: async () => rest.disposeAsync(),
  }
}

async function mountOverlay(lower: string, directory: string, root: string): Promise<void> {
  const upper = join(directory, 'upper')
  const work = join(directory, 'work')
  for (const path of [upper, work, root]) await mkdir(path, { recursive: true })
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
  await execa('mount', ['-t', 'overlay', 'overlay', '-o', options, root])
}

async function plantSeed(root: string, { userData, instanceId }: Seed): Promise<void> {
  const seed = join(root, 'var/lib/cloud/seed/nocloud')
  await mkdir(seed, { recursive: true })
  await writeFile(join(seed, 'user-data'), userData, { mode: 0o600 })
  await writeFile(join(seed, 'meta-data'), `instance-id: ${instanceId}\nlocal-hostname: guest\n`)
  // The cable has its address already; there is no DHCP in here.
  const cloud = join(root, 'etc/cloud/cloud.cfg.d/99_test.cfg')
  await writeFile(cloud, 'network: {config: disabled}\ndatasource_list: [NoCloud, None]\n')
}

function boot(root: string, network: GuestNetwork, console: ConsoleLog) {
  const flags = [
    '--quiet',
    '--boot',
    '--register=no',
    '--resolv-conf=off',
    '--keep-unit',
    '--console=read-only',
    '--capability=CAP_NET_ADMIN',
    `--network-namespace-path=${network.guestNamespacePath}`,
    `--directory=${root}`,
    '--machine=guest',
  ]
  const running = execa('systemd-nspawn', flags, {
    reject: false,
    stdin: 'ignore',
    stdout: 'pipe',
    all: true,
    buffer: false,
  })
  running.all.setEncoding('utf8').on('data', console.take)
  return running
}

/** The init is a child of systemd-nspawn, and would live on without it. With the init, its whole PID namespace ends. */
async function killInit(nspawn: number | undefined): Promise<void> {
  if (nspawn === undefined) return
  for (const task of await readdir(`/proc/${nspawn}/task`).catch(() => [])) {
    const children = await readFile(`/proc/${nspawn}/task/${task}/children`, 'utf8').catch(() => '')
    for (const pid of children.split(' ').filter((word) => word !== '')) kill(Number(pid))
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}
