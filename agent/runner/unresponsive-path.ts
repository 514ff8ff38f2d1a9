import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { World } from '../../protocol/world.ts'
import { parseInterpreter, readHead } from './interpreter.ts'

/**
 * Whether paths lie on a file system that does not answer: an NFS server that is gone keeps whoever looks waiting, for
 * ever. Agent and runner look at paths of commands in their only thread; one such path must not stop all other commands.
 */
export interface PathProbe {
  /**
   * The first of the paths that does not answer in time; `undefined` when all do.
   *
   * Neither function is called, so that it costs nothing, on a machine whose file systems are all its own.
   *
   * @param findProgram what will be executed, called when all paths answer: where it is a script, the kernel goes on to the
   * interpreter in its first line, and to that one's.
   */
  findUnresponsive: (
    listPaths: () => readonly string[] | Promise<readonly string[]>,
    findProgram?: () => Program | undefined,
  ) => Promise<string | undefined>
}

interface Program {
  path: string
  /** Where it is started: names of interpreters may be relative to it. */
  directory: string
}

/** How long a file system may take to answer, in milliseconds. */
const patienceMs = 5000
/** The table of mounts is read again after this, in milliseconds: it takes as long as a tenth of a command's start. */
const mountsLastMs = 1000
/** Each probe that hangs keeps one of Node's four threads; with so many, nothing else that is far is probed. */
const hangingLimit = 2
/** Links in one path, as the kernel has it. @see path_resolution(7) */
const linksLimit = 40
/** Interpreters in turn, one more than the kernel follows. @see execve(2) */
const interpretersLimit = 5

/** What answers from another machine, or from a program. Names as in proc_pid_mountinfo(5); `nfsd` and `fusectl` are the kernel's. */
const farTypes =
  /^(?:nfs(?!d)|cifs|smb|fuse(?!ctl)|virtiofs|9p|ceph|afs|autofs|lustre|gpfs|beegfs|gluster|ocfs2|gfs2|orangefs|pvfs)/
/** Every machine with systemd has this `autofs`, which mounts nothing from afar. */
const automaticFormats = '/proc/sys/fs/binfmt_misc'

/** Mount points of file systems that may not answer, with their types. */
export type FarMounts = ReadonlyMap<string, string>

/** How the file system is asked. */
export interface FileSystem {
  /** /proc/self/mountinfo. To read it asks none of the mounts. */
  readMounts: () => string
  /** A link's target, and `undefined` for what is none. */
  readLink: (path: string) => string | undefined
  /** Looks at a path, which may last for ever. */
  look: (path: string) => Promise<unknown>
  /** The first bytes of a regular file, `undefined` where there are none to be had; may last as long. */
  readHead: (path: string) => Promise<Buffer | undefined>
}

const realFileSystem: FileSystem = {
  readMounts: () => readFileSync('/proc/self/mountinfo', 'utf8'),
  readLink: (path) => {
    try {
      // That most are none must not cost an exception each.
      const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
      return isLink ? readlinkSync(path) : undefined
    } catch {
      return undefined
    }
  },
  look: stat,
  readHead,
}

export function createPathProbe(
  world: Pick<World, 'sleep' | 'monotonicMs'>,
  { readMounts, readLink, look, readHead: read }: FileSystem = realFileSystem,
): PathProbe {
  /** What was asked, as `findFarMount` names it, and has not answered: whether it does in time. */
  const asked = new Map<string, Promise<boolean>>()
  const hanging = new Set<string>()
  let known: { mounts: FarMounts; untilMs: number } | undefined

  const farMounts = (): FarMounts => {
    const nowMs = world.monotonicMs()
    if (known === undefined || nowMs >= known.untilMs) {
      known = { mounts: parseFarMounts(readMounts()), untilMs: nowMs + mountsLastMs }
    }
    return known.mounts
  }

  const ask = async (mount: string, question: () => Promise<unknown>): Promise<boolean> => {
    const over = new AbortController()
    const giveUp = () => {
      hanging.add(mount)
      return false
    }
    const late = world.sleep(patienceMs, over.signal).then(giveUp, () => true)
    // What it answers, an error too, does not matter.
    const answered = question()
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
    return before ? await before : await askNow(mount, async () => await look(path))
  }

  const askNow = async (mount: string, question: () => Promise<unknown>): Promise<boolean> => {
    if (hanging.size >= hangingLimit) return false
    const verdict = ask(mount, question)
    asked.set(mount, verdict)
    return await verdict
  }

  /** One after the other: the answer to somebody else's question says nothing of what the file holds. */
  const readInTime = async (
    mount: string | undefined,
    path: string,
  ): Promise<Buffer | undefined | 'no answer'> => {
    if (mount === undefined) return await read(path)
    for (let before = asked.get(mount); before; before = asked.get(mount)) {
      if (!(await before)) return 'no answer'
    }
    let head: Buffer | undefined
    const isAnswered = await askNow(mount, async () => {
      head = await read(path)
    })
    return isAnswered ? head : 'no answer'
  }

  const findUnresponsiveInterpreter = async (
    { path, directory }: Program,
    farMountOf: (path: string) => string | undefined,
  ): Promise<string | undefined> => {
    let at = path
    for (let count = 0; count < interpretersLimit; count += 1) {
      const head = await readInTime(farMountOf(at), at)
      if (head === 'no answer') return at
      const interpreter = head && parseInterpreter(head)
      if (interpreter === undefined) return undefined
      at = resolve(directory, interpreter)
      const mount = farMountOf(at)
      if (mount !== undefined && !(await answers(mount, at))) return at
    }
    return undefined
  }

  return {
    findUnresponsive: async (listPaths, findProgram) => {
      const mounts = farMounts()
      if (mounts.size === 0) return undefined
      const readOnce = remember(readLink)
      const farMountOf = (path: string) => findFarMount(path, mounts, readOnce)
      for (const path of await listPaths()) {
        const mount = farMountOf(path)
        if (mount !== undefined && !(await answers(mount, path))) return path
      }
      const program = findProgram?.()
      return program && (await findUnresponsiveInterpreter(program, farMountOf))
    },
  }
}

/** The paths of one command have most of their folders in common. */
function remember(readLink: FileSystem['readLink']): FileSystem['readLink'] {
  const known = new Map<string, string | undefined>()
  return (path) => {
    if (!known.has(path)) known.set(path, readLink(path))
    return known.get(path)
  }
}

/** Of several at one place the last lies on top. Pure. */
export function parseFarMounts(mountinfo: string): FarMounts {
  const lines = mountinfo.split('\n').map((line) => line.split(' '))
  const mounts = lines.map(
    (words) => [unescapePath(words[4] ?? ''), words[words.indexOf('-') + 1] ?? ''] as const,
  )
  return new Map(mounts.filter(([at, type]) => farTypes.test(type) && at !== automaticFormats))
}

function unescapePath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

/**
 * Where a path, or a link in it, crosses into one of the mounts. Looks at what lies before that only. Below an `autofs`
 * each name may be a server of its own, as homes are: what is found is the name, not the mount.
 */
export function findFarMount(
  path: string,
  mounts: FarMounts,
  readLink: FileSystem['readLink'],
): string | undefined {
  let rest = resolve('/', path).split('/').filter(Boolean)
  let at = '/'
  for (let links = 0; links <= linksLimit; ) {
    const [name, ...others] = rest
    const type = mounts.get(at)
    if (type !== undefined) return type === 'autofs' ? join(at, name ?? '') : at
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
