import type { ReadOperation } from '../../protocol/messages/operations.ts'
import type { World } from '../../protocol/world.ts'
import type { OutputView } from '../runner/output-view.ts'
import { becomeOther, readAsUser } from './as-user.ts'
import type { OperationHandler, OperationsOptions } from './begin-command.ts'
import { clearSpool, createPace, type Pace, paced, spoolContent } from './content-spool.ts'
import { type Outcome, runLocally } from './local-command.ts'
import { allowOpened } from './opened-path.ts'
import type { CommandToRun } from './operation.ts'
import { readWholeFile } from './read-file.ts'

/** Sends a file, or a range of it. It is read once, and what is sent is what was digested. */
export function createRead(
  options: OperationsOptions,
  world: World,
): OperationHandler<ReadOperation> {
  const begin = (toRun: CommandToRun, fields: ReadOperation, fromStart: boolean) => {
    const pace = createPace()
    const running = runLocally(toRun, fields.path, world, async (signal, view) => {
      await clearSpool(toRun.directory)
      return readIntoSpool(toRun, fields, options, { pace, signal, view })
    })
    return paced(running, pace, fromStart)
  }
  return {
    begin: async (toRun, fields) => begin(toRun, fields, true),
    // The file is read again, from its beginning; should it have changed meanwhile, the digest tells the controller.
    resume: async (toRun, fields) => ({
      kind: 'running-or-ended',
      running: begin(toRun, fields, false),
    }),
  }
}

async function readIntoSpool(
  toRun: CommandToRun,
  { path, offset, limitBytes, user }: ReadOperation,
  options: OperationsOptions,
  reading: { pace: Pace; signal: AbortSignal; view: OutputView },
): Promise<Outcome> {
  const { command, directory } = toRun
  const { signal } = reading
  const allow = allowOpened(toRun)
  const range = { path, offset, limitBytes: limitBytes ?? null }
  const { produced, tally } = await spoolContent(directory, options, reading, async (take) => {
    const other = await becomeOther(user ?? null)
    return other === null
      ? await readWholeFile(range, take, signal, allow)
      : await readAsUser(other, command.id, range, { take, allow, signal })
  })
  return { ...tally, answer: { size: produced.size, sha256: tally.streams.content?.sha256 } }
}
