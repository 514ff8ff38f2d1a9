import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundleAgent } from '../../cloud-init/build/bundle-agent.ts'
import { root } from '../../cloud-init/build/release.ts'

/**
 * The agent as its package brings it, below `directory`: bundled, and started by the package's launcher; only Node is the one
 * that this program runs on.
 *
 * @returns the launcher.
 */
export async function bundleForBench(directory: string): Promise<string> {
  const { directory: library } = await bundleAgent(join(directory, 'library'))
  await writeFile(join(library, 'package.json'), '{"type":"commonjs"}\n')
  const text = await readFile(join(root, 'cloud-init/debian/launcher.sh'), 'utf8')
  const onOurNode = text.replaceAll('/usr/lib/sahara-agent/node', process.execPath)
  return await placeLauncher(onOurNode, library, directory)
}

/** Writes a launcher that names places below `/`, which are elsewhere here. Its flags stay as they are. */
export async function placeLauncher(
  text: string,
  library: string,
  directory: string,
): Promise<string> {
  const cache = join(directory, 'cache')
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const launcher = join(directory, 'sahara-agent')
  const placed = text
    .replaceAll('/usr/lib/sahara-agent', library)
    .replaceAll('/var/cache/sahara-agent', cache)
  await writeFile(launcher, placed, { mode: 0o755 })
  return launcher
}
