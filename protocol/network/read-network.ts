import { readFile } from 'node:fs/promises'
import { ConfigInvalidError } from '../errors.ts'
import { type NetworkOptions, type NetworkSettings, resolveNetwork } from './network-options.ts'

/** How endpoints are reached, all files read. */
export interface Network {
  settings: NetworkSettings
  /** PEM certificates to trust besides the system's. */
  certificateAuthorities: readonly string[]
}

/** @throws {ConfigInvalidError} the file with certificate authorities cannot be read, or holds none. */
export async function readNetwork(
  options: NetworkOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Network> {
  const { certificateAuthorityFile: path } = options
  const certificateAuthorities = path === undefined ? [] : [await readCertificates(path)]
  return { settings: resolveNetwork(options, env), certificateAuthorities }
}

async function readCertificates(path: string): Promise<string> {
  const complain = (why: string, cause?: unknown) =>
    new ConfigInvalidError(`network.certificateAuthorityFile: ${path} ${why}`, { cause })
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw complain(`cannot be read: ${why}`, cause)
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw complain('holds no PEM certificate')
  return text
}
