import type { World } from '../../protocol/world.ts'
import type { ControlGroup } from './control-group.ts'
import {
  hasInEnvironment,
  isAlive,
  lastProcessNumber,
  listProcesses,
  type ProcessEntry,
  readProcess,
} from './process-table.ts'

/**
 * All processes of one command, also those that went into a session of their own or lost their parents. A process
 * belongs to it when any of these holds:
 *
 * - it is in the command's cgroup;
 * - its environment names the command (`SAHARA_COMMAND_ID`), which children inherit;
 * - it is in the session or process group that the command's leader began;
 * - its parent belongs to it, or it did itself when last looked at.
 */
export interface ProcessTree {
  /** Who is alive now. Reads all of /proc: some milliseconds on a busy machine. */
  members: () => ProcessEntry[]
  /** The same right after the end of a leader that lived for less than a second: looks only at younger processes. */
  membersOfShortLife: () => ProcessEntry[]
  /** KILL to whatever is in the cgroup. */
  killGroup: () => void
  /** Those who are to hear TERM: all members, but for one that passes the end of the others on by itself. */
  toTerminate: (members: ProcessEntry[]) => ProcessEntry[]
}

export interface TreeOptions {
  commandId: string
  /** The process that began the command's session; undefined when nobody knows any more. */
  leader?: number
  group?: ControlGroup | undefined
  /** The leader only holds a terminal (`script`): it ends with the last of the others, and prints on TERM. */
  leaderHoldsTerminal?: boolean
}

export function createProcessTree(options: TreeOptions): ProcessTree {
  const { commandId, leader, group } = options
  const mark = `SAHARA_COMMAND_ID=${commandId}`
  const known = new Map<number, string>()
  // Numbers are used again: once nobody is left in the leader's session, its number means nothing any more.
  let sessionCounts = leader !== undefined
  let hadOthers = false

  const select = (table: ProcessEntry[]): ProcessEntry[] => {
    const inGroup = new Set(group?.pids())
    const members = new Map<number, ProcessEntry>()
    const isInSession = (entry: ProcessEntry) =>
      sessionCounts && (entry.session === leader || entry.group === leader)
    const others = table.filter((entry) => entry.pid !== process.pid && entry.pid !== 1)
    for (const entry of others) {
      const belongs =
        inGroup.has(entry.pid) ||
        known.get(entry.pid) === entry.startTicks ||
        isInSession(entry) ||
        hasInEnvironment(entry.pid, mark)
      if (belongs) members.set(entry.pid, entry)
    }
    addDescendants(members, others)
    sessionCounts &&= others.some((entry) => members.has(entry.pid) && isInSession(entry))
    known.clear()
    for (const entry of members.values()) known.set(entry.pid, entry.startTicks)
    return [...members.values()]
  }

  return {
    members: () => select(listProcesses()),
    membersOfShortLife: () => select(youngerThan(leader) ?? listProcesses()),
    killGroup: () => group?.kill(),
    toTerminate: (members) => {
      const others = members.filter((member) => member.pid !== leader)
      hadOthers ||= others.length > 0
      // Once they are gone it ends as well, a moment later on a busy machine.
      return options.leaderHoldsTerminal === true && hadOthers ? others : members
    },
  }
}

/** Milliseconds between two looks at the tree: the first soon, as most programs end at once. */
const lookDelaysMs = [2, 5, 10, 20, 50, 100]

/** How long KILL is repeated, in milliseconds, before what is left is called a survivor (a process in a dead NFS mount). */
const killPatienceMs = 5000

/**
 * Ends all of the tree: TERM to each member, KILL from `graceEndsAt()` (of the monotonic clock) on, until none is
 * left; members that appear meanwhile get the same. `graceEndsAt` is asked again and again: it may come nearer.
 *
 * @returns who survived even that.
 */
export async function endProcessTree(
  tree: ProcessTree,
  graceEndsAt: () => number,
  world: World,
): Promise<ProcessEntry[]> {
  const told = new Set<string>()
  for (let look = 0; world.monotonicMs() < graceEndsAt(); look += 1) {
    const members = tree.members()
    if (members.length === 0) return []
    for (const member of tree.toTerminate(members)) {
      const name = `${member.pid} ${member.startTicks}`
      if (told.has(name)) continue
      told.add(name)
      sendSignal(member, 'SIGTERM')
      // A stopped process hears TERM only when it goes on.
      sendSignal(member, 'SIGCONT')
    }
    await world.sleep(Math.min(lookDelay(look), Math.max(1, graceEndsAt() - world.monotonicMs())))
  }
  const giveUpAt = world.monotonicMs() + killPatienceMs
  for (let look = 0; ; look += 1) {
    tree.killGroup()
    const members = tree.members()
    if (members.length === 0) return members
    // Also when time is up: with very many processes, a single look may last that long.
    for (const member of members) sendSignal(member, 'SIGKILL')
    if (world.monotonicMs() > giveUpAt) return members
    await world.sleep(lookDelay(look))
  }
}

function lookDelay(look: number): number {
  return lookDelaysMs[look] ?? 100
}

/** Looks once more whether it is the same process: its number may have gone to another since. */
function sendSignal(entry: ProcessEntry, signal: NodeJS.Signals): void {
  if (!isAlive(entry)) return
  try {
    process.kill(entry.pid, signal)
  } catch {
    // Gone in between, or not ours to signal: then it shows up as a survivor.
  }
}

function addDescendants(members: Map<number, ProcessEntry>, table: ProcessEntry[]): void {
  for (let before = -1; before !== members.size; ) {
    before = members.size
    for (const entry of table) {
      if (members.has(entry.parent)) members.set(entry.pid, entry)
    }
  }
}

/** More numbers than this are not tried one by one. */
const shortRange = 512

/** Numbers are given out in order: all that a short-lived leader started lies between it and the last one. */
function youngerThan(leader: number | undefined): ProcessEntry[] | undefined {
  if (leader === undefined) return undefined
  const count = lastProcessNumber() - leader
  if (!(count >= 0 && count <= shortRange)) return undefined
  return Array.from({ length: count }, (_, index) => readProcess(leader + 1 + index)).flatMap(
    (entry) => entry ?? [],
  )
}
