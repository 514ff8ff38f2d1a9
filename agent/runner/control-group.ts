import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../../protocol/messages/replies.ts'

/** A cgroup v2 of one command's own: no process can leave it unseen, and none in it can outrun its end. */
export interface ControlGroup {
  /** Runs `start` with this thread as a member, so that what it starts is one from its first moment, and all that that starts. */
  startInside: <T>(start: () => T) => T
  /** Its processes; numbers of further threads may be among them. */
  pids: () => number[]
  /** Whether `startInside` could do as it says: joining may be forbidden, and the command is then known by other signs. */
  wasJoined: () => boolean
  /** KILL to all members, faster than they can start others: by the kernel (Linux 5.14), or while they are frozen (5.2). */
  kill: () => void
  usage: () => NonNullable<Result['resources']>
  /** Removes it; false as long as it has members. */
  remove: () => boolean
}

/**
 * Where this process may make cgroups: below its own one, if it was delegated to it (as root, or by `Delegate=yes`).
 *
 * @see cgroups(7), "Cgroups delegation"; proc_pid_mountinfo(5)
 */
export function findControlGroupHome(): string | undefined {
  const mount = readText('/proc/self/mountinfo')
    ?.split('\n')
    .find((line) => line.includes(' - cgroup2 '))
    ?.split(' ')[4]
  const own = /^0::(\/.*)$/m.exec(readText('/proc/self/cgroup') ?? '')?.[1]
  return mount === undefined || own === undefined ? undefined : join(mount, own)
}

/**
 * Makes the cgroup of a command, or finds it again; undefined where that is not permitted.
 *
 * It is a threaded one: a thread joins it by itself in 50 µs (Linux 5.6), while moving a process has the kernel wait until nobody
 * forks, which was seen to take 5 to 15 ms.
 *
 * @see cgroups(7), "Thread mode"; cgroup_procs_write_start() in the kernel's kernel/cgroup/cgroup.c
 */
export function makeControlGroup(
  home: string | undefined,
  commandId: string,
): ControlGroup | undefined {
  if (home === undefined) return undefined
  const path = controlGroupPath(home, commandId)
  try {
    mkdirSync(path)
  } catch {
    return undefined
  }
  const isThreaded = write(join(path, 'cgroup.type'), 'threaded')
  const group = controlGroupAt(path)
  if (isThreaded) return group
  group.remove()
  return undefined
}

/** The cgroup that a command of this id left behind, if there is one. */
export function findControlGroup(
  home: string | undefined,
  commandId: string,
): ControlGroup | undefined {
  if (home === undefined) return undefined
  const path = controlGroupPath(home, commandId)
  return existsSync(path) ? controlGroupAt(path) : undefined
}

/** Removes what earlier runners left behind, as far as nothing runs in it any more. */
export function removeEmptyGroups(home: string | undefined): void {
  if (home === undefined) return
  for (const name of listNames(home)) {
    if (name.startsWith(namePrefix)) controlGroupAt(join(home, name)).remove()
  }
}

const namePrefix = 'sahara-command-'

function controlGroupPath(home: string, commandId: string): string {
  return join(home, `${namePrefix}${commandId}`)
}

function controlGroupAt(path: string): ControlGroup {
  const read = (file: string) => readText(join(path, file)) ?? ''
  const statistics = () => Object.fromEntries(read('cpu.stat').split('\n').map(toStatistic))
  // What another runner left may be of the other kind.
  const members = read('cgroup.type').trim() === 'threaded' ? 'cgroup.threads' : 'cgroup.procs'
  let isJoined = false
  let isStuckInside = false
  return {
    startInside: (start) => {
      // `0` is the thread that writes. Moving itself, it need not wait for anybody.
      isJoined = write(join(path, 'cgroup.threads'), '0')
      try {
        return start()
      } finally {
        isStuckInside = isJoined && !write(join(path, '..', 'cgroup.threads'), '0')
      }
    },
    pids: () => (isStuckInside ? [] : listed(read(members))),
    wasJoined: () => isJoined && !isStuckInside,
    kill: () => {
      // It would be the runner, with all other commands.
      if (isStuckInside) return
      if (write(join(path, 'cgroup.kill'), '1')) return
      // Frozen, nobody starts another, and everybody can be killed. Whoever is in the middle of a fork is met the next time.
      write(join(path, 'cgroup.freeze'), '1')
      for (const pid of listed(read(members))) killOne(pid)
    },
    usage: () => {
      const { user_usec: user, system_usec: system } = statistics()
      // Only there where the memory controller is delegated as well.
      const peak = Number(read('memory.peak'))
      return {
        ...(user === undefined ? {} : { userCpuMs: user / 1000 }),
        ...(system === undefined ? {} : { systemCpuMs: system / 1000 }),
        ...(peak > 0 ? { peakMemoryBytes: peak } : {}),
      }
    },
    remove: () => {
      try {
        rmdirSync(path)
        return true
      } catch {
        return !existsSync(path)
      }
    },
  }
}

function toStatistic(line: string): [string, number | undefined] {
  const [name = '', value] = line.split(' ')
  return [name, value === undefined ? undefined : Number(value)]
}

/** A process of another PID namespace is listed as 0, which a signal must never go to: that means our own group. */
function listed(text: string): number[] {
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 1)
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

/** Older kernels do not have every file, and threaded cgroups do not take every word: then it says false. */
function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'r+' })
    return true
  } catch {
    return false
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
