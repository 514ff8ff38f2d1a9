import { open } from 'node:fs/promises'
import type { z } from 'zod'
import type { StoredContent } from '../../api/resources.ts'
import type { ApiClient } from '../api/api-client.ts'
import { LocalFileError, TransferCorruptError } from '../errors.ts'
import { openProgress } from '../output/progress.ts'
import type { Terminal } from '../terminal.ts'
import { createFileDigest } from './file-digest.ts'

/**
 * Stores a local file (`-`: standard input) at the controller, for commands to use.
 *
 * @throws {LocalFileError} it cannot be read, or is no regular file.
 * @throws {TransferCorruptError} the controller has other bytes than were read.
 */
export async function uploadFile(
  api: ApiClient,
  path: string,
  terminal: Terminal,
): Promise<z.output<typeof StoredContent>> {
  await using source = await openSource(path, terminal)
  using progress = await openProgress(terminal, source.name, source.size)
  const digest = createFileDigest()
  const { value: stored } = await api.storeContent(
    watchBytes(source, (bytes) => {
      digest.add(bytes)
      progress.add(bytes.length)
    }),
  )
  const read = digest.finish()
  if (stored.size === read.size && stored.sha256 === read.sha256) return stored
  throw new TransferCorruptError(
    `${source.name}: ${read.size} bytes were sent with SHA-256 ${read.sha256}, but the controller has ` +
      `${stored.size} with ${stored.sha256}; try again`,
  )
}

interface Source extends AsyncDisposable {
  name: string
  size: number | null
  bytes: AsyncIterable<Uint8Array | string>
}

async function openSource(path: string, { stdin }: Terminal): Promise<Source> {
  if (path === '-') {
    return {
      name: 'standard input',
      size: null,
      bytes: stdin,
      [Symbol.asyncDispose]: async () => {},
    }
  }
  try {
    const handle = await open(path)
    const stats = await handle.stat()
    if (stats.isDirectory()) {
      await handle.close()
      throw new Error('it is a directory, and this copies single files (pack it with tar)')
    }
    return {
      name: path,
      size: stats.isFile() ? stats.size : null,
      bytes: handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 }),
      [Symbol.asyncDispose]: () => handle.close(),
    }
  } catch (error) {
    throw new LocalFileError('read', path, error)
  }
}

async function* watchBytes(
  { name, bytes }: Source,
  watch: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const read of bytes) {
      const chunk = Buffer.from(read)
      watch(chunk)
      yield chunk
    }
  } catch (error) {
    throw new LocalFileError('read', name, error)
  }
}
