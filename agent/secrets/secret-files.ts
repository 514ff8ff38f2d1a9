import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { secretVariable } from '../../protocol/messages/secrets.ts'
import { errnoOf } from '../runner/command-record.ts'
import type { CommandSpec } from '../runner/command-spec.ts'

/** The secrets of a command in the runner's hands, and in which home their files go (`findSecretsHome`). */
export type CommandSecrets = NonNullable<CommandSpec['secrets']>

/** Where file systems in memory are: what lies there is gone with the power, and on no disk (unless the guest swaps). */
const memoryRoots = ['/run', '/dev/shm']

/** @see statfs(2): TMPFS_MAGIC, RAMFS_MAGIC */
const memoryFileSystems = [0x01021994, 0x858458f6]

/** All places where the secrets of an agent's commands may lie. */
export function secretsHomes(stateDirectory: string): string[] {
  const owner = `${process.geteuid?.() ?? 0}:${resolve(stateDirectory)}`
  const name = createHash('sha256').update(owner).digest('hex').slice(0, 16)
  return memoryRoots.map((root) => join(root, `sahara-agent-${name}`))
}

/**
 * A directory of ours in memory, which others can pass and not list.
 *
 * @returns null where there is no file system in memory that we may write to, or somebody else has taken our place.
 */
export function findSecretsHome(stateDirectory: string): string | null {
  return secretsHomes(stateDirectory).find((home) => isInMemory(home) && makeOurs(home)) ?? null
}

/** Whether `findSecretsHome` would find one. Makes nothing. */
export function canFindSecretsHome(stateDirectory: string): boolean {
  return secretsHomes(stateDirectory).some((home) => isInMemory(home) && canBeOurs(home))
}

function canBeOurs(home: string): boolean {
  if (isOurs(home)) return true
  if (lstatSync(home, { throwIfNoEntry: false })) return false
  try {
    accessSync(dirname(home), constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isInMemory(home: string): boolean {
  try {
    return memoryFileSystems.includes(statfsSync(dirname(home)).type)
  } catch {
    return false
  }
}

/** In /dev/shm anybody may have made it before us: to read along, or to have us write where a link leads. */
function makeOurs(home: string): boolean {
  try {
    mkdirSync(home, { mode: 0o700 })
    chmodSync(home, passableMode)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') return false
  }
  return isOurs(home)
}

function isOurs(home: string): boolean {
  const found = lstatSync(home, { throwIfNoEntry: false })
  return found?.isDirectory() === true && found.uid === process.geteuid?.() && !(found.mode & 0o022)
}

/** Others may pass, whatever the umask, and not list. */
const passableMode = 0o711

/** The first descriptor that a program gets its secrets by; those before it are taken (`launch-program.ts`). */
const firstSecretDescriptor = 6

/** What a program is to be given so that it finds its secrets. */
export interface LaidSecrets {
  /** Each says where one is: a path, or /dev/fd/N. */
  variables: Record<string, string>
  /** From `firstSecretDescriptor` on; to be closed once the program has them. */
  descriptors: number[]
}

/**
 * Lays secrets down for a command's user, whose alone the files are. Its directory stays ours, so that nobody can lead us
 * elsewhere when it is removed. Descriptors are of files whose name is gone already.
 *
 * @param open gets each descriptor as soon as it is open.
 * @throws the file system's error.
 */
export function layDownSecrets(
  id: string,
  { home, values }: CommandSecrets,
  user: { uid: number; gid: number },
  open: number[],
): LaidSecrets {
  const directory = join(home, id)
  removeSecrets([home], id)
  // It was removed when the last command before this one ended.
  if (!makeOurs(home)) throw new Error(`"${home}" is not ours`)
  mkdirSync(directory, { mode: 0o700 })
  chmodSync(directory, passableMode)
  const descriptors: number[] = []
  const variables = values.map(({ name, value, via }) => {
    const path = join(directory, name)
    writeFileSync(path, value, { mode: 0o400, flag: 'wx' })
    const file = via === 'fd' ? openSync(path, 'r') : null
    if (file !== null) open.push(file)
    if (user.uid !== process.geteuid?.()) chownSync(path, user.uid, user.gid)
    if (file === null) return [secretVariable(name), path]
    rmSync(path)
    descriptors.push(file)
    return [secretVariable(name), `/dev/fd/${firstSecretDescriptor + descriptors.length - 1}`]
  })
  return { variables: Object.fromEntries(variables), descriptors }
}

/** Removes what is left of a command's secrets, if anything is, and a home that is empty then. */
export function removeSecrets(homes: readonly string[], id: string): void {
  for (const home of homes) {
    if (!isOurs(home)) continue
    rmSync(join(home, id), { recursive: true, force: true })
    removeIfEmpty(home)
  }
}

/** Removes the secrets of all commands; for a runner that starts, and has none. */
export function removeAllSecrets(homes: readonly string[]): void {
  for (const home of homes) {
    if (!isOurs(home)) continue
    for (const id of readdirSync(home)) removeSecrets([home], id)
    removeIfEmpty(home)
  }
}

function removeIfEmpty(home: string): void {
  try {
    rmdirSync(home)
  } catch {
    // Others are in it.
  }
}
