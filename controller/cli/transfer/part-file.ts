import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { World } from '../../../protocol/world.ts'
import { LocalFileError } from '../errors.ts'

/** A file in the making, beside its place. Disposed before `keep`, it is gone without a trace. */
export interface PartFile extends AsyncDisposable {
  write: (bytes: Uint8Array) => Promise<void>
  /** Flushes it, and puts it in its place: whoever looks there sees the old file or the whole new one. */
  keep: () => Promise<void>
}

/** @throws {LocalFileError} it cannot be made, written or put in its place; the message names the place. */
export async function createPartFile(path: string, world: World): Promise<PartFile> {
  const suffix = Buffer.from(world.randomBytes(6)).toString('hex')
  const partPath = join(dirname(path), `.${basename(path).slice(0, 200)}.${suffix}.part`)
  const guard = async <Value>(act: () => Promise<Value>): Promise<Value> => {
    try {
      return await act()
    } catch (error) {
      throw new LocalFileError('write', path, error)
    }
  }
  const handle = await guard(() => open(partPath, 'wx'))
  let kept = false
  return {
    write: async (bytes) => {
      await guard(() => handle.writeFile(bytes))
    },
    keep: async () => {
      await guard(async () => {
        await keepMode(path, handle)
        await handle.sync()
        await handle.close()
        await rename(partPath, path)
      })
      kept = true
    },
    [Symbol.asyncDispose]: async () => {
      if (kept) return
      await handle.close()
      await rm(partPath, { force: true })
    },
  }
}

/** A file that is replaced stays as private as it was. */
async function keepMode(
  path: string,
  handle: { chmod: (mode: number) => Promise<void> },
): Promise<void> {
  const existing = await stat(path).catch(() => null)
  if (existing?.isFile() === true) await handle.chmod(existing.mode & 0o777)
}
