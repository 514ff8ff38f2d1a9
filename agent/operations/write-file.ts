import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import {
  type FileHandle,
  link,
  lstat,
  open,
  readlink,
  realpath,
  rename,
  stat,
  unlink,
} from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { errnoOf } from '../runner/command-record.ts'
import { findOwner } from './find-owner.ts'
import { isSameFile, leadsElsewhere, openTruly } from './open-truly.ts'
import { type AllowOpened, descriptorPath, truePathOf } from './opened-path.ts'
import { OperationFailure } from './operation-failure.ts'
import { refusePlantedFile, refusePlantedLinks } from './sticky-folder.ts'

export const WriteRequest = z.strictObject({
  commandId: z.uuid(),
  path: z.string(),
  placement: z.enum(['replace', 'create', 'append', 'prepend']),
  /** Null: the mode that the file has, or 0644. */
  mode: z.int().min(0).max(0o7777).nullable(),
  /** Null: the owner that the file has, or whoever writes. */
  owner: z.string().nullable(),
})
export type WriteRequest = z.output<typeof WriteRequest>

/** A finished file that lies beside its target, about to take its place. */
export const StagedFile = z.strictObject({
  temporary: z.string(),
  target: z.string(),
  device: z.number(),
  inode: z.number(),
  size: z.int().min(0),
  sha256: z.string(),
})
export type StagedFile = z.output<typeof StagedFile>

/** What survives a crash between staging and renaming. */
export interface WriteJournal {
  /** What an earlier attempt had staged. */
  staged: StagedFile | null
  /** Resolves when it is on the disk. */
  record: (staged: StagedFile) => Promise<void>
}

export interface WriteParts {
  journal: WriteJournal
  /** Asked about the file's true path before anything is written. */
  allow: AllowOpened
  signal: AbortSignal
}

/** Size and digest of the file as it is afterwards. */
export type WriteAnswer = Pick<StagedFile, 'size' | 'sha256'>

/**
 * Writes a file as a whole, exactly once whatever dies in between. A symbolic link is followed, and stays one, as with
 * editors and `cp`. Hard links, extended attributes and the file's inode are those of a new file; what another program
 * appends meanwhile is lost. Needs room for a second copy.
 *
 * @throws {OperationFailure} or the file system's own error; the file is unchanged then.
 */
export async function writeOnce(
  request: WriteRequest,
  content: AsyncIterable<Uint8Array>,
  { journal, allow, signal }: WriteParts,
): Promise<WriteAnswer> {
  const earlier = journal.staged && (await takeUp(journal.staged, request, allow))
  if (earlier) return earlier
  refusePathWithoutFile(request.path)
  const resolved = await resolveTarget(request.path, request.placement)
  // From here to the end by the open folder: another one that is put in its place is not the one that was allowed.
  await using folder = await openFolder(dirname(resolved))
  const target = join(await truePathOf(folder), basename(resolved))
  await allow(target)
  const staged = await stage(folder, target, request, content, signal)
  try {
    signal.throwIfAborted()
    await journal.record(staged)
  } catch (error) {
    await unlink(inFolder(folder, staged.temporary)).catch(() => {})
    throw error
  }
  // From here on it is done, whoever calls it off: nobody could tell otherwise what became of it.
  return await commit(folder, staged, request)
}

/** Ends what an earlier attempt had staged before it died; `undefined` if it must be done anew. */
async function takeUp(
  staged: StagedFile,
  { path, placement }: WriteRequest,
  allow: AllowOpened,
): Promise<WriteAnswer | undefined> {
  await using folder = await openFolderIfThere(dirname(staged.target))
  const fate = folder ? await findFate(folder, staged) : 'unknown'
  if (folder && fate === 'committed') return await finish(folder, staged)
  if (folder && fate === 'staged') {
    try {
      await allow(join(await truePathOf(folder), basename(staged.target)))
    } catch (error) {
      await unlink(inFolder(folder, staged.temporary)).catch(() => {})
      throw error
    }
    return await commit(folder, staged, { path, placement })
  }
  if (placement === 'replace') return undefined
  const message = `"${path}" was replaced by somebody else while the agent was down; look at what it holds now`
  throw new OperationFailure('outcome-unknown', message)
}

/** What became of the staged file before the crash. Its inode number is its own as long as it lies somewhere. */
async function findFate(
  folder: FileHandle,
  staged: StagedFile,
): Promise<'committed' | 'staged' | 'unknown'> {
  if (isStaged(await lookAt(inFolder(folder, staged.target)), staged)) return 'committed'
  return isStaged(await lookAt(inFolder(folder, staged.temporary)), staged) ? 'staged' : 'unknown'
}

function isStaged(stats: Stats | undefined, { device, inode }: StagedFile): boolean {
  return stats?.ino === inode && stats.dev === device
}

/** The path of a file by its folder, which is open: of `path` only the last name counts. */
function inFolder(folder: FileHandle, path: string): string {
  return join(descriptorPath(folder), basename(path))
}

function refusePathWithoutFile(path: string): void {
  if (path.startsWith('/') && !path.endsWith('/')) return
  const message = `"${path}" must begin with /, and not end with it`
  throw new OperationFailure('path-not-absolute', message)
}

/** Makes the new file complete, with owner and mode, and flushed, under a name of its own. */
async function stage(
  folder: FileHandle,
  target: string,
  request: WriteRequest,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<StagedFile> {
  const { path, placement, commandId } = request
  const existing = inFolder(folder, target)
  const before = await lookAt(existing)
  refuseTarget(path, before, placement)
  refusePlantedFile(path, before, await folder.stat())
  const name = `.sahara-agent-${commandId}`
  const temporary = inFolder(folder, name)
  // Left behind by an attempt that was killed. Made with O_EXCL, so nobody can slip another file in.
  await unlink(temporary).catch(() => {})
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  await using file = await open(temporary, flags, 0o600)
  try {
    const old = before ? { path: existing, stats: before } : null
    const sum = await fill(file, inOrder(content, old, placement), signal)
    await setOwnerAndMode(file, before, request)
    await file.sync()
    const { dev: device, ino: inode } = await file.stat()
    return { temporary: join(dirname(target), name), target, device, inode, ...sum }
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
}

/** Follows links in the last place too, also one whose target is still to be made; the directory must exist. */
async function resolveTarget(path: string, placement: WriteRequest['placement']): Promise<string> {
  let target = path
  for (let hops = 0; hops < 40; hops += 1) {
    await refusePlantedLinks(placement === 'create' ? dirname(target) : target)
    const folder = await resolveFolder(dirname(target))
    target = join(folder, basename(target))
    const stats = await lookAt(target)
    // As O_EXCL has it: a link that is there is in the way, wherever it points.
    if (!stats?.isSymbolicLink() || placement === 'create') return target
    target = resolve(folder, await readlink(target))
  }
  throw new OperationFailure('too-many-links', `"${path}" leads through too many symbolic links`)
}

async function resolveFolder(path: string): Promise<string> {
  try {
    const folder = await realpath(path)
    if (isSameFile(await stat(path), await stat(folder))) return folder
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause
    const message = `"${path}" does not exist; make it first`
    throw new OperationFailure('no-such-directory', message, { cause })
  }
  throw leadsElsewhere(path)
}

function refuseTarget(
  path: string,
  stats: Stats | undefined,
  placement: WriteRequest['placement'],
): void {
  if (stats === undefined) return
  if (stats.isDirectory()) throw new OperationFailure('is-directory', `"${path}" is a directory`)
  if (placement === 'create') throw new OperationFailure('file-exists', `"${path}" exists already`)
  if (stats.isFile()) return
  throw new OperationFailure('not-a-regular-file', `"${path}" is a device, a pipe or a socket`)
}

/** A file that is there, as it was when it was looked at. */
interface ExistingFile {
  /** By the open folder. */
  path: string
  stats: Stats
}

async function* inOrder(
  content: AsyncIterable<Uint8Array>,
  existing: ExistingFile | null,
  placement: WriteRequest['placement'],
): AsyncGenerator<Uint8Array> {
  if (placement === 'append' && existing !== null) yield* blocksOf(existing)
  yield* content
  if (placement === 'prepend' && existing !== null) yield* blocksOf(existing)
}

const blockBytes = 256 * 1024

/** Does not wait for the writer of a FIFO that was put in the file's place, and reads nothing but the file itself. */
async function* blocksOf({ path, stats }: ExistingFile): AsyncGenerator<Uint8Array> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  await using file = await open(path, flags)
  const opened = await file.stat()
  if (!opened.isFile() || !isSameFile(opened, stats)) {
    const message = 'the file was replaced while it was being written; try again'
    throw new OperationFailure('path-changed', message)
  }
  for (;;) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(blockBytes))
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

async function fill(
  file: FileHandle,
  blocks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<WriteAnswer> {
  const hash = createHash('sha256')
  let size = 0
  for await (const block of blocks) {
    signal.throwIfAborted()
    hash.update(block)
    await file.writeFile(block)
    size += block.length
  }
  return { size, sha256: hash.digest('hex') }
}

/** Owner first: to change it clears the set-user bits. */
async function setOwnerAndMode(
  file: FileHandle,
  before: Stats | undefined,
  { owner, mode, path }: WriteRequest,
): Promise<void> {
  const own = await file.stat()
  const wanted = owner === null ? null : await findOwner(owner)
  const uid = wanted?.uid ?? before?.uid ?? own.uid
  const gid = wanted?.gid ?? before?.gid ?? own.gid
  if (uid !== own.uid || gid !== own.gid) {
    await file.chown(uid, gid).catch((cause: unknown) => {
      const message = `"${path}" would have to belong to ${uid}:${gid}, and the user who writes it may not do that`
      throw new OperationFailure('owner-not-permitted', message, { cause })
    })
  }
  await file.chmod(mode ?? (before === undefined ? 0o644 : before.mode & 0o7777))
}

async function commit(
  folder: FileHandle,
  staged: StagedFile,
  { placement, path }: Pick<WriteRequest, 'placement' | 'path'>,
): Promise<WriteAnswer> {
  const [temporary, target] = [inFolder(folder, staged.temporary), inFolder(folder, staged.target)]
  try {
    await refuseOtherFolder(folder, staged)
    // A rename would replace what somebody else made in this very moment; a link does not.
    if (placement === 'create') await link(temporary, target)
    else await rename(temporary, target)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    if (errnoOf(error) !== 'EEXIST') throw error
    throw new OperationFailure('file-exists', `"${path}" exists already`, { cause: error })
  }
  return await finish(folder, staged)
}

/** The folder must still lie where it was allowed, and hold the very file that was staged. */
async function refuseOtherFolder(folder: FileHandle, staged: StagedFile): Promise<void> {
  const { target, temporary } = staged
  const isSame = (await truePathOf(folder)) === dirname(target)
  if (isSame && isStaged(await lookAt(inFolder(folder, temporary)), staged)) return
  const message = `"${dirname(target)}" was replaced by another folder while the file was being written`
  throw new OperationFailure('path-changed', message)
}

async function openFolder(path: string): Promise<FileHandle> {
  return await openTruly(path, constants.O_RDONLY | constants.O_DIRECTORY)
}

/** `undefined` where something else has taken its place, or nothing. */
async function openFolderIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await openFolder(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

async function finish(
  folder: FileHandle,
  { temporary, size, sha256 }: StagedFile,
): Promise<WriteAnswer> {
  await unlink(inFolder(folder, temporary)).catch(() => {})
  await folder.sync()
  return { size, sha256 }
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
