import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from '../../protocol/world.ts'
import { describeSelf, Keeper, keeperLives } from './command-record.ts'
import { listProcesses, readProcess } from './process-table.ts'

/** How often a runner is looked at, in milliseconds, and at how many looks in turn it may be silent: three minutes, as the watchdog gives the agent. */
const lookMs = 10_000
const mostSilentLooks = 18
/** How long a killed runner may take to be gone, in milliseconds. */
const [lookIfGoneMs, mostLooksIfGone] = [100, 100]

/**
 * Resolves when a peer that is asked at each look has been silent for three minutes. Counts looks, not time: while this
 * process itself stood still, what the peer said has been waiting.
 *
 * @throws the signal's reason, or an AbortError.
 */
export async function untilHung(
  look: () => { hasSpoken: boolean },
  world: Pick<World, 'sleep'>,
  signal: AbortSignal,
): Promise<void> {
  for (let silent = 0; silent < mostSilentLooks; ) {
    await world.sleep(lookMs, signal)
    silent = look().hasSpoken ? 0 : silent + 1
  }
}

/** Called by a runner that holds the lock: who it is. */
export function noteRunner(stateDirectory: string): void {
  try {
    writeFileSync(join(stateDirectory, 'runner.pid'), JSON.stringify(describeSelf()), {
      mode: 0o600,
    })
  } catch {
    // A full disk. It does its work all the same; if it hangs, nobody ends it.
  }
}

/**
 * Kills the runner of a state directory, which answers nothing any more. Not while a file system keeps it in the kernel: a disk may
 * take minutes, and answer yet, and all its commands go on. While a program starts, it is the child that the kernel keeps, and the runner waits for it.
 */
export async function endHungRunner(
  stateDirectory: string,
  world: Pick<World, 'now' | 'sleep'>,
): Promise<void> {
  const keeper = readRunner(stateDirectory)
  if (!keeper || !keeperLives(keeper)) return
  const isKeptByKernel = isKept(keeper.pid)
  const what = isKeptByKernel ? 'waits for a file system' : 'is killed'
  noteInLog(
    stateDirectory,
    `runner ${keeper.pid} has answered nothing for minutes, and ${what}`,
    world,
  )
  if (isKeptByKernel) return
  try {
    process.kill(keeper.pid, 'SIGKILL')
  } catch {
    return
  }
  for (let looks = 0; looks < mostLooksIfGone && keeperLives(keeper); looks += 1) {
    await world.sleep(lookIfGoneMs)
  }
}

function isKept(pid: number): boolean {
  if (readProcess(pid)?.state === 'D') return true
  return listProcesses().some(({ parent, state }) => parent === pid && state === 'D')
}

function readRunner(stateDirectory: string): Keeper | undefined {
  try {
    const json: unknown = JSON.parse(readFileSync(join(stateDirectory, 'runner.pid'), 'utf8'))
    return Keeper.safeParse(json).data
  } catch {
    return undefined
  }
}

function noteInLog(stateDirectory: string, line: string, { now }: Pick<World, 'now'>): void {
  try {
    appendFileSync(join(stateDirectory, 'runner.log'), `${now().toISOString()} ${line}\n`)
  } catch {
    // What is done about it matters more.
  }
}
