import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../../protocol/messages/replies.ts'

/** A cgroup v2 of one command's own: no process can leave it unseen, and the kernel ends all of it at once. */
export interface ControlGroup {
  /** A process that writes `0` here is a member, and all that it starts. */
  joinPath: string
  pids: () => number[]
  /** Whether anything ever ran in it: joining may have been forbidden. */
  wasUsed: () => boolean
  /** KILL to all members at once (Linux 5.14 and later; earlier it does nothing). */
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

/** Makes the cgroup of a command, or finds it again; undefined where that is not permitted. */
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
  return controlGroupAt(path)
}

/** The cgroup that a command of this id left behind, if there is one. */
export function findControlGroup(
  home: string | undefined,
  commandId: string,
): ControlGroup | undefined {
  if (home === undefined) return undefined
  const path = controlGroupPath(home, commandId)
  return readText(join(path, 'cgroup.procs')) === undefined ? undefined : controlGroupAt(path)
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
  const statistic = (name: string) => {
    const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(read('cpu.stat'))?.[1]
    return value === undefined ? undefined : Number(value)
  }
  return {
    joinPath: join(path, 'cgroup.procs'),
    pids: () => read('cgroup.procs').split('\n').filter(Boolean).map(Number),
    wasUsed: () => (statistic('usage_usec') ?? 0) > 0,
    kill: () => {
      try {
        writeFileSync(join(path, 'cgroup.kill'), '1')
      } catch {
        // An older kernel has no such file; the processes are killed one by one anyway.
      }
    },
    usage: () => {
      const user = statistic('user_usec')
      const system = statistic('system_usec')
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
        return readText(join(path, 'cgroup.procs')) === undefined
      }
    },
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
