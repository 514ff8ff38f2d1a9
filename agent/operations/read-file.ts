import { constants } from 'node:fs'
import { type FileHandle, realpath, stat } from 'node:fs/promises'
import { isSameFile, leadsElsewhere, openTruly } from './open-truly.ts'
import { type AllowOpened, truePathOf } from './opened-path.ts'
import { OperationFailure } from './operation-failure.ts'

/** Which bytes of which file. */
export interface FileRange {
  path: string
  offset: number
  /** Null: to the end. */
  limitBytes: number | null
}

const blockBytes = 256 * 1024

/**
 * Gives the bytes of a regular file to `take`, block after block. Files in /proc say that they are empty; so the end
 * is where nothing more can be read, not where the size says.
 *
 * @throws {OperationFailure} it is no regular file; or the file system's own error.
 */
export async function readWholeFile(
  { path, offset, limitBytes }: FileRange,
  take: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
  allow: AllowOpened,
): Promise<{ size: number }> {
  if (!path.startsWith('/'))
    throw new OperationFailure('path-not-absolute', `"${path}" must begin with /`)
  await using file = await openRegular(path)
  await allow(await truePathOf(file))
  const end = limitBytes === null ? Number.POSITIVE_INFINITY : offset + limitBytes
  let position = offset
  while (position < end) {
    signal.throwIfAborted()
    const block = Buffer.allocUnsafe(Math.min(blockBytes, end - position))
    const { bytesRead } = await file.read(block, 0, block.length, position)
    if (bytesRead === 0) break
    position += bytesRead
    await take(block.subarray(0, bytesRead))
  }
  const { size } = await file.stat()
  return { size: Math.max(size, position > offset ? position : 0) }
}

/**
 * Looks before it opens: to open a FIFO waits for a writer, and to open a device may do something. A file that is replaced
 * in between is looked at again.
 */
async function openRegular(path: string): Promise<FileHandle> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const asked = await stat(path)
    refuseUnlessRegular(path, asked)
    const file = await openTruly(await realpath(path), constants.O_RDONLY | constants.O_NONBLOCK)
    const opened = await file.stat()
    if (opened.isFile() && isSameFile(asked, opened)) return file
    await file.close()
  }
  throw leadsElsewhere(path)
}

function refuseUnlessRegular(
  path: string,
  stats: { isFile: () => boolean; isDirectory: () => boolean },
) {
  if (stats.isDirectory()) throw new OperationFailure('is-directory', `"${path}" is a directory`)
  if (stats.isFile()) return
  throw new OperationFailure('not-a-regular-file', `"${path}" is a device, a pipe or a socket`)
}
