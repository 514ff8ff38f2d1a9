import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Bundle } from './bundle-agent.ts'
import type { Runtime } from './fetch-runtime.ts'
import { root } from './release.ts'

const rule = `\n${'-'.repeat(80)}\n\n`

/** The licences of all code in the package: ours, Node's, and those of the npm packages in the bundle. */
export async function collectLicences(bundle: Bundle, runtime: Runtime): Promise<string> {
  const ours = `sahara-agent\n\n${await readFile(join(root, 'LICENSE'), 'utf8')}`
  const packages = await Promise.all(bundle.packageDirectories.map(describePackage))
  const node = `Node.js ${runtime.version}\n\n${await readFile(runtime.licence, 'utf8')}`
  return [ours, ...packages, node].join(rule)
}

const PackageJson = z.looseObject({
  name: z.string(),
  version: z.string(),
  license: z.string().default('see its sources'),
})

async function describePackage(directory: string): Promise<string> {
  const path = join(root, directory)
  const { name, version, license } = PackageJson.parse(
    JSON.parse(await readFile(join(path, 'package.json'), 'utf8')),
  )
  const file = (await readdir(path)).toSorted().find((entry) => /^licen[cs]e/i.test(entry))
  const text =
    file === undefined
      ? 'Its package holds no licence text.\n'
      : await readFile(join(path, file), 'utf8')
  return `${name} ${version} (${license})\n\n${text}`
}
