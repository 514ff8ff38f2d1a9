import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ConfigInvalidError } from '../protocol/errors.ts'
import { describeWrongKeys, inPlainWords } from '../protocol/plain-words.ts'
import { AgentConfig, defaultConfigPath } from './config.ts'
import { isMissingFile } from './state-directory.ts'

/** What the command line says; it wins over the file. */
export interface ConfigOverrides {
  bootstrapPath?: string | undefined
  stateDirectory?: string | undefined
}

/**
 * Reads the configuration, YAML or JSON.
 *
 * @param path the file a person named. Without one, `defaultConfigPath` is read if it exists, else all defaults hold.
 * @throws {ConfigInvalidError} the file cannot be read or breaks the schema; the message names the file and the key.
 */
export async function readAgentConfig(
  path: string | undefined,
  overrides: ConfigOverrides = {},
): Promise<AgentConfig> {
  const file = path ?? defaultConfigPath
  const text = await readText(file, path !== undefined)
  const written = text === undefined ? {} : await parseYaml(file, text)
  const parsed = AgentConfig.safeParse(written, { error: inPlainWords })
  if (!parsed.success) {
    throw new ConfigInvalidError(`${file}: ${describeWrongKeys(parsed.error)}; correct the file`)
  }
  const { bootstrapPath = parsed.data.bootstrapPath, stateDirectory = parsed.data.stateDirectory } =
    overrides
  return {
    ...parsed.data,
    configPath: resolve(file),
    bootstrapPath: resolve(bootstrapPath),
    stateDirectory: resolve(stateDirectory),
  }
}

async function readText(file: string, mustExist: boolean): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (!mustExist && isMissingFile(cause)) return undefined
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigInvalidError(`cannot read the configuration ${file}: ${why}`, { cause })
  }
}

async function parseYaml(file: string, text: string): Promise<unknown> {
  // Only a machine that has a file pays for the parser.
  const { parse } = await import('yaml')
  try {
    return parse(text) ?? {}
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n').at(0) : String(cause)
    throw new ConfigInvalidError(`${file} is not YAML: ${why}; correct the file`, { cause })
  }
}
