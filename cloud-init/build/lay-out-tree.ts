import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Bundle } from './bundle-agent.ts'
import { collectLicences } from './collect-licences.ts'
import type { Runtime } from './fetch-runtime.ts'
import { type Release, root } from './release.ts'

/** What lies where in a guest; the tarball and the Debian package hold the same. Modes are ours, whatever the umask. */
export async function layOutTree(
  release: Release,
  bundle: Bundle,
  runtime: Runtime,
  tree: string,
): Promise<string> {
  await rm(tree, { recursive: true, force: true })
  const library = join(tree, 'usr/lib/sahara-agent')
  const documents = join(tree, 'usr/share/doc/sahara-agent')
  await mkdir(library, { recursive: true })
  await cp(bundle.directory, library, { recursive: true })
  await put(join(library, 'package.json'), '{"type":"commonjs"}\n')
  await cp(runtime.node, join(library, 'node'))
  await chmod(join(library, 'node'), 0o755)
  const source = join(root, 'cloud-init')
  // Beside it user-data puts the bootstrap. Nothing of an identity is ever in a package.
  await put(join(tree, 'etc/sahara-agent/policy.yaml'), await readFile(join(source, 'policy.yaml')))
  await put(
    join(tree, 'usr/bin/sahara-agent'),
    await readFile(join(source, 'debian/launcher.sh')),
    0o755,
  )
  await put(
    join(tree, 'usr/lib/systemd/system/sahara-agent.service'),
    await readFile(join(source, 'sahara-agent.service')),
  )
  await put(
    join(tree, 'usr/share/man/man8/sahara-agent.8.gz'),
    await readManual(join(source, 'debian/sahara-agent.8'), release),
  )
  await put(join(documents, 'copyright'), await collectLicences(bundle, runtime))
  await put(
    join(documents, 'examples/agent.yaml'),
    await readFile(join(source, 'debian/agent.yaml')),
  )
  return tree
}

async function put(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, content)
  await chmod(path, mode)
}

async function readManual(path: string, release: Release): Promise<Uint8Array> {
  const date = new Date(release.epochSeconds * 1000).toISOString().slice(0, 10)
  const text = (await readFile(path, 'utf8'))
    .replaceAll('@VERSION@', release.version)
    .replaceAll('@DATE@', date)
  // zlib writes no time into the header, so that the bytes are the same each time.
  return gzipSync(text, { level: 9 })
}
