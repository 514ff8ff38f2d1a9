import { readFileSync, readlinkSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { World } from '../../protocol/world.ts'

/**
 * Whether paths lie on a file system that does not answer: an NFS server that is gone keeps whoever looks waiting, for
 * ever. Agent and runner look at paths of commands in their only thread; one such path must not stop all other commands.
 */
export interface PathProbe {
  /** The first of the paths that does not answer in time; `undefined` when all do. */
  findUnresponsive: (paths: readonly string[]) => Promise<string | undefined>
}

/** How long a file system may take to answer, in milliseconds. */
const patienceMs = 5000
/** The table of mounts is read again after this, in milliseconds: it takes as long as a tenth of a command's start. */
const mountsLastMs = 1000
/** Each probe that hangs keeps one of Node's four threads; with so many, no other mount is probed. */
const hangingLimit = 2
/** Links in one path, as the kernel has it. @see path_resolution(7) */
const linksLimit = 40

/** What answers from another machine, or from a program. Names as in proc_pid_mountinfo(5). */
const farTypes =
  /^(?:nfs|cifs|smb|fuse|9p|ceph|afs|autofs|lustre|gpfs|beegfs|gluster|ocfs2|gfs2|orangefs|pvfs)/

/** How the file system is asked. */
export interface FileSystem {
  /** /proc/self/mountinfo. To read it asks none of the mounts. */
  readMounts: () => string
  /** A link's target, and `undefined` for what is none. */
  readLink: (path: string) => string | undefined
  /** Looks at a path, which may last for ever. */
  look: (path: string) => Promise<unknown>
}

const realFileSystem: FileSystem = {
  readMounts: () => readFileSync('/proc/self/mountinfo', 'utf8'),
  readLink: (path) => {
    try {
      return readlinkSync(path)
    } catch {
      return undefined
    }
  },
  look: stat,
}

export function createPathProbe(
  world: Pick<World, 'sleep' | 'monotonicMs'>,
  { readMounts, readLink, look }: FileSystem = realFileSystem,
): PathProbe {
  /** Mounts that were asked and have not answered: whether they do in time. */
  const asked = new Map<string, Promise<boolean>>()
  const hanging = new Set<string>()
  let known: { mounts: ReadonlySet<string>; untilMs: number } | undefined

  const farMounts = (): ReadonlySet<string> => {
    const nowMs = world.monotonicMs()
    if (known === undefined || nowMs >= known.untilMs) {
      known = { mounts: parseFarMounts(readMounts()), untilMs: nowMs + mountsLastMs }
    }
    return known.mounts
  }

  const ask = async (mount: string, path: string): Promise<boolean> => {
    const over = new AbortController()
    const giveUp = () => {
      hanging.add(mount)
      return false
    }
    const late = world.sleep(patienceMs, over.signal).then(giveUp, () => true)
    // What it answers, an error too, does not matter.
    const answered = look(path)
      .catch(() => undefined)
      .then(() => {
        over.abort()
        asked.delete(mount)
        hanging.delete(mount)
        return true
      })
    return await Promise.race([answered, late])
  }

  const answers = async (mount: string, path: string): Promise<boolean> => {
    const before = asked.get(mount)
    if (before) return await before
    if (hanging.size >= hangingLimit) return false
    const verdict = ask(mount, path)
    asked.set(mount, verdict)
    return await verdict
  }

  return {
    findUnresponsive: async (paths) => {
      const mounts = farMounts()
      if (mounts.size === 0) return undefined
      for (const path of paths) {
        const mount = findFarMount(path, mounts, readLink)
        if (mount !== undefined && !(await answers(mount, path))) return path
      }
      return undefined
    },
  }
}

/** The mount points of file systems that may not answer. Pure. */
export function parseFarMounts(mountinfo: string): ReadonlySet<string> {
  const lines = mountinfo.split('\n').map((line) => line.split(' '))
  const far = lines.filter((words) => farTypes.test(words[words.indexOf('-') + 1] ?? ''))
  return new Set(far.map((words) => unescapePath(words[4] ?? '')))
}

function unescapePath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

/** Where a path, or a link in it, crosses into one of the mounts. Looks at what lies before that only. */
export function findFarMount(
  path: string,
  mounts: ReadonlySet<string>,
  readLink: FileSystem['readLink'],
): string | undefined {
  let rest = resolve('/', path).split('/').filter(Boolean)
  let at = '/'
  for (let links = 0; links <= linksLimit; ) {
    if (mounts.has(at)) return at
    const [name, ...others] = rest
    if (name === undefined) return undefined
    const next = name === '..' ? dirname(at) : join(at, name)
    rest = others
    const target = mounts.has(next) ? undefined : readLink(next)
    if (target === undefined) {
      at = next
      continue
    }
    links += 1
    rest = [...target.split('/').filter((part) => part !== '' && part !== '.'), ...others]
    if (target.startsWith('/')) at = '/'
  }
  return undefined
}
