import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { z } from 'zod'

/** What is built, and under which names. */
export interface Release {
  version: string
  /** As Node names it. */
  arch: Arch
  /** As Debian names it. */
  debianArch: string
  /** Every time in what is built, in seconds since 1970, so that the same commit gives the same bytes. */
  epochSeconds: number
}

const Arch = z.enum(['x64', 'arm64'])
export type Arch = z.output<typeof Arch>

const debianArchs = { x64: 'amd64', arm64: 'arm64' } as const satisfies Record<Arch, string>

/** The project's root. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Times are SOURCE_DATE_EPOCH (reproducible-builds.org), else the commit's.
 *
 * @throws neither is to be had, or `arch` is none that we build for.
 */
export async function readRelease(arch: string): Promise<Release> {
  const parsed = Arch.safeParse(arch)
  if (!parsed.success) throw new Error(`--arch ${arch}: use one of ${Arch.options.join(', ')}`)
  const { version } = PackageJson.parse(JSON.parse(await readFile(`${root}package.json`, 'utf8')))
  const written = process.env['SOURCE_DATE_EPOCH'] ?? (await commitTime())
  return {
    version,
    arch: parsed.data,
    debianArch: debianArchs[parsed.data],
    epochSeconds: z.coerce.number().int().min(0).parse(written),
  }
}

const PackageJson = z.looseObject({ version: z.string().regex(/^\d[0-9A-Za-z.+~-]*$/) })

async function commitTime(): Promise<string> {
  const { stdout } = await execa('git', ['log', '-1', '--format=%ct'], { cwd: root })
  return stdout
}
