import { createReadStream } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { WriteOperation } from '../../protocol/messages/operations.ts'
import type { World } from '../../protocol/world.ts'
import { becomeOther, writeAsUser } from './as-user.ts'
import type { OperationHandler } from './begin-command.ts'
import { runLocally } from './local-command.ts'
import { allowOpened } from './opened-path.ts'
import type { CommandToRun, RunningCommand } from './operation.ts'
import { StagedFile, type WriteJournal, type WriteRequest, writeOnce } from './write-file.ts'

/**
 * Puts the command's content into a file. An agent that died in the middle takes it up again, and the journal in the
 * command's directory keeps it from writing twice: a write is never `interrupted`.
 */
export function createWrite(world: World): OperationHandler<WriteOperation> {
  const begin = (toRun: CommandToRun, fields: WriteOperation): RunningCommand =>
    runLocally(toRun, fields.path, world, async (signal) => {
      const request: WriteRequest = {
        commandId: toRun.command.id,
        path: fields.path,
        placement: fields.placement,
        mode: fields.mode === undefined ? null : Number.parseInt(fields.mode, 8),
        owner: fields.owner ?? null,
      }
      const journal = await openWriteJournal(toRun.directory)
      const other = await becomeOther(fields.user ?? null)
      const allow = allowOpened(toRun)
      const answer =
        other === null
          ? await writeOnce(request, openContent(toRun.contentPath), { journal, allow, signal })
          : await writeAsUser(other, request, toRun.contentPath, { journal, allow, signal })
      return { answer: { ...answer } }
    })
  return {
    begin: async (toRun, fields) => begin(toRun, fields),
    resume: async (toRun, fields) => ({
      kind: 'running-or-ended',
      running: begin(toRun, fields),
    }),
  }
}

/** Remembers on the disk which file is about to take the place of the old one. */
async function openWriteJournal(directory: string): Promise<WriteJournal> {
  const path = join(directory, 'staged.json')
  const text = await readFile(path, 'utf8').catch(() => null)
  return {
    staged: text === null ? null : StagedFile.parse(JSON.parse(text)),
    record: async (staged) => {
      {
        await using file = await open(`${path}.new`, 'w', 0o600)
        await file.writeFile(JSON.stringify(staged))
        await file.sync()
      }
      await rename(`${path}.new`, path)
      await using folder = await open(directory, 'r')
      await folder.sync()
    },
  }
}

async function* openContent(path: string | null): AsyncGenerator<Buffer> {
  if (path === null) return
  for await (const block of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    if (Buffer.isBuffer(block)) yield block
  }
}
