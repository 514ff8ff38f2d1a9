import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { findUserEntry } from '../runner/find-user.ts'
import { OperationFailure } from './operation-failure.ts'

/** Turns `user`, `user:group` or `:group` (names or numbers) into numbers; what is not named stays undefined. */
export async function findOwner(owner: string): Promise<{ uid?: number; gid?: number }> {
  const [userName = '', groupName] = owner.split(':')
  const uid = userName === '' ? undefined : await findUserId(userName)
  const gid = groupName === undefined ? undefined : await findGroupId(groupName)
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
}

async function findUserId(name: string): Promise<number> {
  const user = await findUserEntry(name)
  if (user !== undefined) return user.uid
  if (isNumber(name)) return Number(name)
  throw new OperationFailure('no-such-user', `there is no user "${name}" on this instance`)
}

async function findGroupId(name: string): Promise<number> {
  const file = await readFile('/etc/group', 'utf8').catch(() => '')
  const found = matchGroup(file, name) ?? matchGroup(await askNameService(name), name)
  if (found !== undefined) return found
  if (isNumber(name)) return Number(name)
  throw new OperationFailure('no-such-group', `there is no group "${name}" on this instance`)
}

/** @see group(5) */
function matchGroup(text: string, name: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`))
  const id = line?.split(':')[2] ?? ''
  return isNumber(id) ? Number(id) : undefined
}

async function askNameService(name: string): Promise<string> {
  try {
    const limits = { timeout: 10_000, maxBuffer: 64 * 1024 }
    return (await promisify(execFile)('getent', ['group', '--', name], limits)).stdout
  } catch {
    return ''
  }
}

function isNumber(text: string): boolean {
  return /^\d{1,10}$/.test(text)
}
