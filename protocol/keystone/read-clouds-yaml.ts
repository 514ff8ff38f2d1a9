import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { CloudInvalidError } from './errors.ts'

/** Where files are looked for. */
export interface SearchPlaces {
  env: Readonly<Record<string, string | undefined>>
  workingDirectory: string
  homeDirectory: string
}

type Mapping = Record<string, unknown>

/** What `clouds.yaml` says, with the secrets of `secure.yaml` merged into it. */
export interface CloudsFile {
  path: string
  clouds: Readonly<Record<string, Mapping>>
}

/**
 * Finds and reads `clouds.yaml`: the first of the working directory, the user's and the system's, as OpenStack's own
 * tools do; `OS_CLIENT_CONFIG_FILE` names another one first. `secure.yaml` is looked for in the same places.
 *
 * @returns `undefined` when there is none.
 * @throws {CloudInvalidError} one is there, and cannot be read or parsed.
 */
export async function readCloudsYaml(places: SearchPlaces): Promise<CloudsFile | undefined> {
  const main = await readFirst(candidates('clouds', 'OS_CLIENT_CONFIG_FILE', places))
  if (main === undefined) return undefined
  const secure = await readFirst(candidates('secure', 'OS_CLIENT_SECURE_FILE', places))
  const { clouds } = requireClouds(merge(main.content, secure?.content ?? {}), main.path)
  return { path: main.path, clouds }
}

function candidates(name: string, variable: string, places: SearchPlaces): string[] {
  const { env, workingDirectory, homeDirectory } = places
  const userDirectory = env['XDG_CONFIG_HOME'] || join(homeDirectory, '.config')
  const named = env[variable]
  const directories = [workingDirectory, join(userDirectory, 'openstack'), '/etc/openstack']
  const usual = directories.flatMap((directory) =>
    ['yaml', 'yml', 'json'].map((ending) => join(directory, `${name}.${ending}`)),
  )
  return named ? [named, ...usual] : usual
}

const YamlMapping = z.record(z.string(), z.unknown())
const NodeError = z.looseObject({ code: z.string() })

async function readFirst(
  paths: readonly string[],
): Promise<{ path: string; content: Mapping } | undefined> {
  for (const path of paths) {
    const content = await readMapping(path)
    if (content !== undefined) return { path, content }
  }
  return undefined
}

/** The parser's message is left out: it quotes the line, which may hold a password. */
async function readMapping(path: string): Promise<Mapping | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const code = NodeError.safeParse(cause).data?.code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new CloudInvalidError(`cannot read ${path} (${code}); correct its permissions`, { cause })
  }
  const parsed = YamlMapping.safeParse(parseYaml(text, path) ?? {})
  if (parsed.success) return parsed.data
  throw new CloudInvalidError(`${path} is no YAML mapping`)
}

function parseYaml(text: string, path: string): unknown {
  try {
    return parse(text, { prettyErrors: false, maxAliasCount: 100 })
  } catch {
    throw new CloudInvalidError(`${path} is no valid YAML; correct it`)
  }
}

const Clouds = z.looseObject({ clouds: z.record(z.string(), YamlMapping).default({}) })

function requireClouds(content: Mapping, path: string): z.output<typeof Clouds> {
  const parsed = Clouds.safeParse(content)
  if (parsed.success) return parsed.data
  throw new CloudInvalidError(`${path}: \`clouds\` is no mapping of names to clouds`)
}

function merge(base: Mapping, over: Mapping): Mapping {
  const merged = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const [below, above] = [YamlMapping.safeParse(merged[key]), YamlMapping.safeParse(value)]
    merged[key] = below.success && above.success ? merge(below.data, above.data) : value
  }
  return merged
}
