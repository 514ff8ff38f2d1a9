import { copyFile, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { type Release, root } from './release.ts'

/** The Node that goes into the package. */
export interface Runtime {
  /** The program, without what only a debugger reads. */
  node: string
  licence: string
  version: string
}

/**
 * Takes Node for `arch` from the npm package that the project itself runs on, at the same version: from `node_modules`,
 * or, for another architecture, with `npm pack`, whose digest is compared with the lock file's.
 *
 * @throws the download's digest is not the locked one, or no `strip` knows the architecture.
 */
export async function fetchRuntime({ arch }: Release, directory: string): Promise<Runtime> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const name = `node-linux-${arch}`
  const { version, integrity } = await lockedPackage(name)
  const from =
    arch === process.arch
      ? join(root, 'node_modules', name)
      : await download(name, version, integrity, directory)
  const node = join(directory, 'node')
  await copyFile(join(from, 'bin/node'), node)
  await strip(arch, node)
  return { node, licence: join(from, 'LICENSE'), version }
}

const LockFile = z.looseObject({
  packages: z.record(
    z.string(),
    z.looseObject({ version: z.string().optional(), integrity: z.string().optional() }),
  ),
})

async function lockedPackage(name: string): Promise<{ version: string; integrity: string }> {
  const lock = LockFile.parse(JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')))
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {}
  if (version === undefined || integrity === undefined) {
    throw new Error(`package-lock.json does not pin ${name}; run npm install`)
  }
  return { version, integrity }
}

/** npm installs a platform's package only on that platform. `npm pack` brings it anywhere, and says what it brought. */
async function download(
  name: string,
  version: string,
  integrity: string,
  directory: string,
): Promise<string> {
  const flags = ['--json', '--pack-destination', directory]
  const { stdout } = await execa('npm', ['pack', ...flags, `${name}@${version}`], { cwd: root })
  const [packed] = Packed.parse(JSON.parse(stdout))
  if (packed.integrity !== integrity) {
    throw new Error(`${name}@${version} is not the one that package-lock.json pins; do not use it`)
  }
  await execa('tar', ['-xzf', join(directory, packed.filename), '-C', directory])
  return join(directory, 'package')
}

const Packed = z.tuple([z.looseObject({ filename: z.string(), integrity: z.string() })])

async function strip(arch: Release['arch'], file: string): Promise<void> {
  const cpu = arch === 'arm64' ? 'aarch64' : 'x86_64'
  const program = arch === process.arch ? 'strip' : `${cpu}-linux-gnu-strip`
  const { failed, code, message } = await execa(program, ['--strip-all', file], { reject: false })
  if (!failed) return
  if (code !== 'ENOENT') throw new Error(message)
  const name = program === 'strip' ? 'binutils' : `binutils-${cpu.replace('_', '-')}-linux-gnu`
  throw new Error(`no ${program} here; install ${name} (apt-get install ${name})`)
}
