import type { CommandToRun } from '../operations/operation.ts'
import type { CarryOutParts, Task } from './task.ts'

/** Lets an operation on a file ask the policy about what it has opened. */
export function judgeOpened(
  { command, operation }: Task,
  { policy }: Pick<CarryOutParts, 'policy'>,
): Pick<CommandToRun, 'judgeOpened'> {
  if (operation?.name !== 'read' && operation?.name !== 'write') return {}
  return { judgeOpened: async (truePath) => policy.judgeOpened(command, operation, truePath) }
}
