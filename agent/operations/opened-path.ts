import { type FileHandle, readlink } from 'node:fs/promises'
import type { CommandToRun } from './operation.ts'
import { OperationRefusal } from './operation-failure.ts'

/** Resolves when a file may be used that has been opened, or is about to be made. @throws {OperationRefusal} */
export type AllowOpened = (truePath: string) => Promise<void>

/** Asks whoever keeps the policy, as the command has it. */
export function allowOpened({ judgeOpened }: Pick<CommandToRun, 'judgeOpened'>): AllowOpened {
  return async (truePath) => {
    const refusal = await judgeOpened?.(truePath)
    if (!refusal) return
    const { reason, rule } = refusal
    throw new OperationRefusal(reason.code, reason.message, { rule })
  }
}

/** Where an open file or folder lies at this moment, as the kernel has it: no link is left in it. */
export async function truePathOf(file: FileHandle): Promise<string> {
  return await readlink(descriptorPath(file))
}

/** A path that leads to an open file or folder itself, whatever has become of its name. @see proc(5) */
export function descriptorPath({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`
}
