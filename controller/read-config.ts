import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { ConfigInvalidError } from '../protocol/errors.ts'
import { describeWrongKeys, inPlainWords } from '../protocol/plain-words.ts'
import { ControllerConfig } from './config.ts'

/**
 * Reads the configuration: a YAML (or JSON) file, if one is named, and over it what the command line says.
 *
 * @param overrides a partial configuration of the same shape; objects are merged key by key, anything else replaces.
 * @throws {ConfigInvalidError} the file cannot be read or parsed, or a key is wrong; the message names file and key.
 */
export async function readControllerConfig({
  file,
  overrides = {},
  stateDirectory,
}: {
  file?: string | undefined
  overrides?: Readonly<Record<string, unknown>>
  /** Where the state is unless the configuration says otherwise (`defaultStateDirectory`). */
  stateDirectory: string
}): Promise<ControllerConfig> {
  const written = file === undefined ? {} : await readYaml(file)
  const given = merge({ stateDirectory, ...written }, overrides)
  const parsed = ControllerConfig.safeParse(given, { error: inPlainWords })
  if (parsed.success) return parsed.data
  const where = file === undefined ? 'the configuration' : file
  throw new ConfigInvalidError(`${where} is not valid: ${describeWrongKeys(parsed.error)}`)
}

const YamlObject = z.record(z.string(), z.unknown())

async function readYaml(file: string): Promise<Record<string, unknown>> {
  try {
    const parsed = YamlObject.safeParse(parse(await readFile(file, 'utf8')) ?? {})
    if (parsed.success) return parsed.data
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n').at(0) : String(cause)
    throw new ConfigInvalidError(`cannot read the configuration ${file}: ${why}`, { cause })
  }
  throw new ConfigInvalidError(`the configuration ${file} is no YAML mapping of keys to values`)
}

function merge(
  base: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const [below, above] = [YamlObject.safeParse(merged[key]), YamlObject.safeParse(value)]
    merged[key] = below.success && above.success ? merge(below.data, above.data) : value
  }
  return merged
}
