import { chmod, cp, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { type Release, root } from './release.ts'

/** Packs the tree as a Debian package. Reproducible: dpkg-deb orders names, and clamps times to SOURCE_DATE_EPOCH. */
export async function packDebian(
  release: Release,
  tree: string,
  out: string,
  quick: boolean,
): Promise<string> {
  const staging = join(out, `deb-${release.arch}`)
  await rm(staging, { recursive: true, force: true })
  await cp(tree, staging, { recursive: true })
  const control = join(staging, 'DEBIAN')
  await mkdir(control)
  const source = join(root, 'cloud-init/debian')
  for (const script of ['postinst', 'prerm', 'postrm'] as const) {
    await cp(join(source, script), join(control, script))
    await chmod(join(control, script), 0o755)
  }
  // The tenant's word: an upgrade asks before it touches it.
  await writeFile(join(control, 'conffiles'), '/etc/sahara-agent/policy.yaml\n')
  const template = await readFile(join(source, 'control'), 'utf8')
  await writeFile(join(control, 'control'), fillIn(template, release, await sizeKibibytes(tree)))
  await fixTimesAndModes(staging, release)
  const file = join(out, `sahara-agent_${release.version}_${release.debianArch}.deb`)
  // Level 6 would save 4 MB more and take twice as long.
  const compression = quick ? ['-Znone'] : ['-Zxz', '-z1']
  await execa('dpkg-deb', ['--root-owner-group', ...compression, '--build', staging, file], {
    env: { SOURCE_DATE_EPOCH: String(release.epochSeconds) },
  })
  await rm(staging, { recursive: true })
  return file
}

function fillIn(template: string, release: Release, sizeKib: number): string {
  return template
    .replaceAll('@VERSION@', release.version)
    .replaceAll('@ARCHITECTURE@', release.debianArch)
    .replaceAll('@SIZE@', String(sizeKib))
}

/** dpkg-deb only clamps times that lie after the epoch; a file from an older checkout would keep its own. */
async function fixTimesAndModes(directory: string, release: Release): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mode } = await stat(path)
    await chmod(path, entry.isDirectory() || mode & 0o100 ? 0o755 : 0o644)
    await utimes(path, release.epochSeconds, release.epochSeconds)
  }
  await chmod(directory, 0o755)
  await utimes(directory, release.epochSeconds, release.epochSeconds)
}

/** As Debian counts it (policy 5.6.20): each file rounded up to a KiB, one for each directory. */
async function sizeKibibytes(tree: string): Promise<number> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true })
  const sizes = entries.map(async (entry) =>
    entry.isDirectory()
      ? 1
      : Math.ceil((await stat(join(entry.parentPath, entry.name))).size / 1024),
  )
  return (await Promise.all(sizes)).reduce((total, size) => total + size, 0)
}
