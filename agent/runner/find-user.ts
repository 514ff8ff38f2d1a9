import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

/** A line of the user database. */
export interface User {
  name: string
  uid: number
  gid: number
  home: string
  shell: string
}

/** `null` is the user that this process runs as. */
export type UserVerdict =
  | { found: true; user: User; isCurrent: boolean }
  | { found: false; reason: 'no-such-user' | 'user-not-permitted'; message: string }

/**
 * Finds as whom something is to run, by name or number: in /etc/passwd first, then through the name service
 * (`getent`), where LDAP and the like live. Only root may become somebody else.
 */
export async function findUser(name: string | null): Promise<UserVerdict> {
  const currentId = process.geteuid?.() ?? 0
  const wanted = name ?? String(currentId)
  const user = await findUserEntry(wanted)
  if (user === undefined) {
    if (name === null) return { found: true, user: anonymous(currentId), isCurrent: true }
    const message = `there is no user "${name}" on this instance; create it, or name another`
    return { found: false, reason: 'no-such-user', message }
  }
  const isCurrent = user.uid === currentId
  if (isCurrent || currentId === 0) return { found: true, user, isCurrent }
  const message = `the agent runs as uid ${currentId} and cannot become "${name}"; run the agent as root, or name no user`
  return { found: false, reason: 'user-not-permitted', message }
}

/** The user of a name or number, whoever we are ourselves. */
export async function findUserEntry(nameOrNumber: string): Promise<User | undefined> {
  const found = matchUser(readPasswd(), nameOrNumber)
  return found ?? matchUser(await askNameService(nameOrNumber), nameOrNumber)
}

/** At once: each of the steps of reading a file would wait for a thread, with a command to begin. */
function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8')
  } catch {
    return ''
  }
}

/** The line for a name; failing that, for a number. */
function matchUser(passwd: string, nameOrNumber: string): User | undefined {
  const users = passwd.split('\n').flatMap((line) => parseLine(line) ?? [])
  const isNumber = /^\d{1,10}$/.test(nameOrNumber)
  return (
    users.find((user) => user.name === nameOrNumber) ??
    (isNumber ? users.find((user) => user.uid === Number(nameOrNumber)) : undefined)
  )
}

/** @see passwd(5) */
function parseLine(line: string): User | undefined {
  const [name, , uid, gid, , home, shell] = line.split(':')
  if (!name || !/^\d+$/.test(uid ?? '') || !/^\d+$/.test(gid ?? '')) return undefined
  return {
    name,
    uid: Number(uid),
    gid: Number(gid),
    home: home || '/',
    shell: shell || '/bin/sh',
  }
}

/** A name service that does not answer is one that does not know. */
async function askNameService(name: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('getent', ['passwd', '--', name], {
      timeout: 10_000,
      maxBuffer: 64 * 1024,
    })
    return stdout
  } catch {
    return ''
  }
}

/** Containers run under numbers that no database knows. */
function anonymous(uid: number): User {
  return { name: String(uid), uid, gid: process.getegid?.() ?? 0, home: '/', shell: '/bin/sh' }
}
