import type { SealedSecrets } from '../../protocol/messages/secrets.ts'
import { isLongEnough, secretsLimitBytes } from '../../protocol/messages/secrets.ts'
import type { Key } from '../../protocol/sealing/keys.ts'
import { openSecret } from '../../protocol/sealing/seal-secret.ts'
import { type CommandSecrets, findSecretsHome } from './secret-files.ts'

/** Why a command does not get its secrets. */
interface Problem {
  code: 'secret-unreadable' | 'secret-too-short' | 'secrets-too-large' | 'no-memory-file-system'
  message: string
}

/**
 * Opens the secrets of a command that is about to begin: until then, and in the journal for ever, they are sealed.
 *
 * @param agent the key that they are sealed to.
 */
export async function openSecrets(
  id: string,
  sealed: SealedSecrets,
  { stateDirectory, agent }: { stateDirectory: string; agent: Key | undefined },
): Promise<CommandSecrets | { problem: Problem }> {
  const values: CommandSecrets['values'] = []
  for (const [name, { sealed: text, via }] of Object.entries(sealed)) {
    const value = agent && (await openSecret(text, { command: id, name }, agent).catch(() => null))
    if (!value) {
      const message = `the secret "${name}" was sealed to another key of this instance; send the command again`
      return { problem: { code: 'secret-unreadable', message } }
    }
    if (!isLongEnough(value)) {
      const message = `the secret "${name}" is too short to be redacted from output`
      return { problem: { code: 'secret-too-short', message } }
    }
    values.push({ name, value: Uint8Array.from(value), via })
  }
  if (values.reduce((sum, { value }) => sum + value.length, 0) > secretsLimitBytes) {
    const message = `the secrets are over ${secretsLimitBytes} bytes together`
    return { problem: { code: 'secrets-too-large', message } }
  }
  const home = findSecretsHome(stateDirectory)
  if (home !== null) return { home, values }
  const message =
    'neither /run nor /dev/shm is a file system in memory where the agent has a directory of its own; mount a tmpfs there'
  return { problem: { code: 'no-memory-file-system', message } }
}
