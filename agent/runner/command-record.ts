import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Result } from '../../protocol/messages/replies.ts'
import { isAlive, readProcess } from './process-table.ts'

/** A process, told from all others that ever had or will have its number. */
export const Keeper = z.object({ bootId: z.string(), pid: z.int(), startTicks: z.string() })
export type Keeper = z.output<typeof Keeper>

/** The mark that a command was begun, and by which process: made once, before anything runs. */
const Begun = z.object({ startedAt: z.iso.datetime(), keeper: Keeper })
type Begun = z.output<typeof Begun>

/** What a command's directory says of it. */
export type RecordedState =
  | { kind: 'never-begun' }
  /** `keeperAlive`: the runner that began it still lives. */
  | { kind: 'begun'; startedAt: Date | null; keeperAlive: boolean }
  | { kind: 'ended'; result: Result }

/**
 * Marks a command as begun by this process. What guards "at most once" is that the file must not exist.
 *
 * @returns false when it was begun before.
 * @throws the file system's error, such as ENOSPC; nothing was begun then.
 */
export function markBegun(directory: string, startedAt: Date): boolean {
  const begun = { startedAt: startedAt.toISOString(), keeper: describeSelf() } satisfies Begun
  let file: number
  try {
    file = openSync(join(directory, 'begun'), 'wx', 0o600)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
  writeOver(file, JSON.stringify(begun))
  // Room for the end is taken now: on a disk that is full by then, the end can still be told.
  writeOver(openSync(join(directory, 'end.reserve'), 'w', 0o600), ' '.repeat(reserveBytes))
  return true
}

let self: Keeper | undefined

/** Read once: for as long as this process lives, none of it changes. */
export function describeSelf(): Keeper {
  self ??= {
    bootId: readBootId(),
    pid: process.pid,
    startTicks: readProcess(process.pid)?.startTicks ?? '',
  }
  return self
}

/** Records the end. The file appears whole, by a rename, or not at all. */
export function recordEnd(directory: string, result: Result): void {
  const reserve = join(directory, 'end.reserve')
  const text = Buffer.from(JSON.stringify(z.encode(Result, result)))
  const file = openSync(reserve, 'r+')
  try {
    writeSync(file, text)
    ftruncateSync(file, text.length)
  } finally {
    closeSync(file)
  }
  renameSync(reserve, join(directory, 'end.json'))
}

/** The same for a command whose keeper is gone, and may have taken the reserve with it. */
export function recordEndAfterwards(directory: string, result: Result): void {
  closeSync(openSync(join(directory, 'end.reserve'), 'a', 0o600))
  recordEnd(directory, result)
}

/** Reads what is recorded. A file that a power failure left damaged counts as not written. */
export async function readRecord(directory: string): Promise<RecordedState> {
  const result = Result.safeParse(await readJson(join(directory, 'end.json')))
  if (result.success) return { kind: 'ended', result: result.data }
  const json = await readJson(join(directory, 'begun'))
  if (json === absent) return { kind: 'never-begun' }
  const begun = Begun.safeParse(json)
  if (!begun.success) return { kind: 'begun', startedAt: null, keeperAlive: false }
  const { startedAt, keeper } = begun.data
  return {
    kind: 'begun',
    startedAt: new Date(startedAt),
    keeperAlive: keeperLives(keeper),
  }
}

export function keeperLives(keeper: Keeper): boolean {
  return keeper.bootId === readBootId() && isAlive(keeper)
}

/** The `code` of a system error. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** More than any result takes: it names at most 32 survivors. */
const reserveBytes = 16 * 1024

/** Numbers of processes mean nothing after a reboot. @see random(4) */
function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

const absent = Symbol('absent')

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? absent : undefined
  }
}

function writeOver(file: number, text: string): void {
  try {
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
}
