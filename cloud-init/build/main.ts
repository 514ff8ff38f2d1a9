import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bundleAgent } from './bundle-agent.ts'
import { fetchRuntime } from './fetch-runtime.ts'
import { layOutTree } from './lay-out-tree.ts'
import { packDebian } from './pack-debian.ts'
import { packTarball } from './pack-tarball.ts'
import { readRelease } from './release.ts'

/**
 * `npm run build:agent`: makes the agent for an image that has no Node, as a tarball and as a Debian package. Two builds
 * of the same commit give the same bytes. The parts, in order: program, runtime, the tree that both packages hold, packages.
 */
const { values } = parseArgs({
  options: {
    /** `x64` or `arm64`. */
    arch: { type: 'string', default: 'x64' },
    out: { type: 'string', default: 'dist' },
    /** `deb`, `tar` or `all`. */
    only: { type: 'string', default: 'all' },
    /** Packs without compressing: for tests, which pack often. */
    quick: { type: 'boolean', default: false },
  },
})
const out = resolve(values.out)
await mkdir(out, { recursive: true })

const release = await readRelease(values.arch)
const bundle = await bundleAgent(join(out, `bundle-${release.arch}`))
const runtime = await fetchRuntime(release, join(out, `runtime-${release.arch}`))
const tree = await layOutTree(release, bundle, runtime, join(out, `tree-${release.arch}`))
if (values.only !== 'deb') report(await packTarball(release, tree, out, values.quick))
if (values.only !== 'tar') report(await packDebian(release, tree, out, values.quick))

function report(file: string): void {
  process.stdout.write(`${file}\n`)
}
