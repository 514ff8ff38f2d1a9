import { createHash } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context } from '../context.ts'
import { BodyTooLargeError, ContentNotFoundError, StoreWriteError } from '../errors.ts'
import { uuidV7 } from '../ids.ts'
import { contentSize, forgetUnusedContents, noteContent } from '../store/contents.ts'

/** A content as commands name it. */
interface StoredContent {
  sha256: string
  size: number
}

/** Files, scripts and standard input on their way to instances: one file each, mode 0600, named by its digest. */
export interface ContentStore {
  /**
   * Keeps what a stream brings; it is flushed when this resolves. Memory stays flat.
   *
   * @throws {BodyTooLargeError} it is over `limits.contentBytes`.
   * @throws {StoreWriteError} the disk did not take it.
   */
  keep: (stream: AsyncIterable<Uint8Array>) => Promise<StoredContent>
  keepBytes: (bytes: Uint8Array) => Promise<StoredContent>
  /** @throws {ContentNotFoundError} */
  require: (sha256: string) => StoredContent
  /** Up to `length` bytes from `offset` on. @throws {ContentNotFoundError} */
  read: (sha256: string, offset: number, length: number) => Promise<Uint8Array>
  /** Removes what no open command uses and nobody has used since `before`. */
  sweep: (before: Date) => Promise<void>
}

/** Opens the directory `contents` of the state directory; what a killed upload has left there is removed. */
export async function openContentStore({
  config,
  store,
  world,
}: Pick<Context, 'config' | 'store' | 'world'>): Promise<ContentStore> {
  const directory = join(config.stateDirectory, 'contents')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (const name of await readdir(directory)) {
    // What was killed in the middle, and what never came on the books, or went from them, before its file did.
    const isKept = !name.startsWith('incoming-') && contentSize(store, name) !== undefined
    if (!isKept) await rm(join(directory, name))
  }
  const pathOf = (sha256: string) => join(directory, sha256)

  const keep: ContentStore['keep'] = async (stream) => {
    const draft = join(directory, `incoming-${uuidV7(world)}`)
    try {
      const content = await writeDraft(draft, stream, config.limits.contentBytes)
      await rename(draft, pathOf(content.sha256))
      await flushDirectory(directory)
      await store.write(() => noteContent(store, { ...content, now: world.now() }))
      return content
    } finally {
      await rm(draft, { force: true })
    }
  }

  return {
    keep,
    keepBytes: async (bytes) => await keep(iterateOnce(bytes)),
    require: (sha256) => {
      const size = contentSize(store, sha256)
      if (size === undefined) throw new ContentNotFoundError(sha256)
      return { sha256, size }
    },
    read: async (sha256, offset, length) => await readRange(pathOf(sha256), sha256, offset, length),
    sweep: async (before) => {
      for (const sha256 of await store.write(() => forgetUnusedContents(store, before))) {
        await rm(pathOf(sha256), { force: true })
      }
    },
  }
}

async function writeDraft(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  limitBytes: number,
): Promise<StoredContent> {
  const digest = createHash('sha256')
  let size = 0
  await using file = await open(path, 'wx', 0o600)
  for await (const chunk of stream) {
    size += chunk.length
    if (size > limitBytes) {
      throw new BodyTooLargeError(`the content is over ${limitBytes} bytes (limits.contentBytes)`)
    }
    digest.update(chunk)
    await explainDisk(file.writeFile(chunk))
  }
  await explainDisk(file.sync())
  return { sha256: digest.digest('hex'), size }
}

async function explainDisk(writing: Promise<void>): Promise<void> {
  try {
    await writing
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new StoreWriteError(`the content could not be kept (${why}); make room, then retry`, {
      cause,
    })
  }
}

async function readRange(
  path: string,
  sha256: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new ContentNotFoundError(sha256, { cause })
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** A rename lasts only once its directory is on the disk. */
async function flushDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r')
  await explainDisk(directory.sync())
}

async function* iterateOnce(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
