import { open } from 'node:fs/promises'
import type { z } from 'zod'
import {
  type NewSecrets,
  SecretName,
  secretsLimitBytes,
} from '../../../protocol/messages/secrets.ts'
import { LocalFileError, UsageError } from '../errors.ts'
import type { Terminal } from '../terminal.ts'

/** Where each secret is to be read: as it is written, and how the command gets it. */
interface WrittenSecrets {
  secret: readonly string[]
  secretFd: readonly string[]
}

/**
 * Reads secrets from where the command line says: `NAME=@FILE`, `NAME=env:VARIABLE`, or `NAME=-` for standard input. Never from
 * the command line itself, which every process can see.
 *
 * @returns undefined where there is none, so that the request has no such key.
 * @throws {UsageError} it names no place; not quoted, as it may be a secret.
 * @throws {LocalFileError}
 */
export async function readSecrets(
  { secret, secretFd }: WrittenSecrets,
  terminal: Pick<Terminal, 'stdin' | 'env'>,
): Promise<z.input<typeof NewSecrets> | undefined> {
  const written = [
    ...secret.map((text) => ({ ...parseSecret(text), via: 'file' as const })),
    ...secretFd.map((text) => ({ ...parseSecret(text), via: 'fd' as const })),
  ]
  if (written.length === 0) return undefined
  const names = written.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new UsageError(`--secret: "${twice}" is given twice`)
  if (written.filter(({ source }) => source === '-').length > 1) {
    throw new UsageError('--secret: only one can be read from standard input')
  }
  const secrets: z.input<typeof NewSecrets> = {}
  for (const { name, source, via } of written) {
    const bytes = await readSource(name, source, terminal)
    secrets[name] = { bytes: bytes.toString('base64url'), via }
  }
  return secrets
}

/** Whether standard input is one of them, so that it can be nothing else. */
export function readsStdin({ secret, secretFd }: WrittenSecrets): boolean {
  return [...secret, ...secretFd].some((text) => text.endsWith('=-'))
}

function parseSecret(text: string): { name: string; source: string } {
  const [, name, source] = /^([^=]*)=(-|@.+|env:[A-Za-z_][A-Za-z0-9_]*)$/s.exec(text) ?? []
  if (name === undefined || source === undefined) {
    throw new UsageError(
      '--secret: write NAME=@FILE, NAME=env:VARIABLE or NAME=- (standard input); a value on the command line is seen by every process',
    )
  }
  if (SecretName.safeParse(name).success) return { name, source }
  throw new UsageError(
    `--secret: ${JSON.stringify(name.slice(0, 64))} is no name; use a-z, 0-9 and -, a letter first`,
  )
}

async function readSource(
  name: string,
  source: string,
  { stdin, env }: Pick<Terminal, 'stdin' | 'env'>,
): Promise<Buffer> {
  if (source === '-') return await collect(name, stdin)
  if (source.startsWith('@')) return await readSecretFrom(name, source.slice(1))
  const variable = source.slice('env:'.length)
  const value = env[variable]
  if (value === undefined) throw new UsageError(`--secret: there is no variable ${variable}`)
  return Buffer.from(value)
}

async function readSecretFrom(name: string, path: string): Promise<Buffer> {
  try {
    await using handle = await open(path)
    return await collect(name, handle.createReadStream({ autoClose: false }))
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new LocalFileError('read the secret', path, error)
  }
}

async function collect(name: string, source: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > secretsLimitBytes) {
      throw new UsageError(
        `--secret: "${name}" is over ${secretsLimitBytes} bytes; \`put\` a file there instead`,
      )
    }
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
