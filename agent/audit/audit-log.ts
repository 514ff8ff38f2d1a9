import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { promisify } from 'node:util'
import type { World } from '../../protocol/world.ts'
import { AuditUnavailableError } from '../errors.ts'
import { type AuditEntry, type AuditHead, hashLine, parseLine, writeLine } from './audit-line.ts'
import { openChain } from './open-chain.ts'
import { lastLineOf } from './read-audit.ts'
import { listSegments, segmentPath } from './segments.ts'

/** An append-only log whose lines hold each other's digests. */
export interface AuditLog extends AsyncDisposable {
  /**
   * Writes a line. It is in the kernel's hands when this returns, so that it outlives this process; on disk it is within
   * `flushDelayMs`.
   *
   * @throws {AuditUnavailableError} it could not be written, and nothing of it was.
   */
  append: (entry: AuditEntry) => void
  /** Writes a line if that can be done; what cannot is counted, and told by a later line. */
  note: (entry: AuditEntry) => void
  /**
   * The newest line that is on disk for certain: what is told to others must not be taken back by a power loss. Fails while the
   * log is not where it belongs.
   */
  flushedHead: () => Promise<AuditHead>
}

export interface AuditLogOptions {
  /** Made if it does not exist. */
  directory: string
  /** A file is not made longer than this. */
  fileBytes: number
  /** With more files than this, the oldest is removed. */
  files: number
  /** Told when the log is not as this process has written it; of one loss when it is found, and with each `flushedHead`. */
  onTampered: (what: string) => void
}

/** A power loss (not a crash) takes at most the lines of this time. */
const flushDelayMs = 1000

/**
 * Opens the log at its end, and heals what a crash has left there. One process writes it at a time: the caller holds the
 * state directory's lock.
 *
 * @throws {AuditUnavailableError} it cannot be opened.
 */
export function openAuditLog(
  { directory, fileBytes, files, onTampered }: AuditLogOptions,
  world: Pick<World, 'now' | 'sleep'>,
): AuditLog {
  const closing = new AbortController()
  let file = -1
  let path = ''
  let size = 0
  /** Which file `file` is: its path may come to lead to another one, or to none. */
  let place = { dev: 0, ino: 0 }
  let isAlarmed = false
  const end = explained(directory, () => openChain(directory))
  let { head } = end
  // Written with the first line: a full disk must not keep the agent from starting, and answering.
  const findings = [...end.findings]
  let missed = 0
  let isDirty = false
  let flushing: Promise<void> | undefined

  const openFile = (wanted: string) => {
    const next = openSync(wanted, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600)
    if (file !== -1) {
      fsyncSync(file)
      closeSync(file)
    }
    file = next
    path = wanted
    const { dev, ino, size: found } = fstatSync(file)
    place = { dev, ino }
    size = found
  }

  const write = (entry: AuditEntry): void => {
    const text = writeLine(head, world.now(), entry)
    const line = Buffer.from(`${text}\n`)
    if (file === -1 || (size > 0 && size + line.length > fileBytes)) {
      openFile(segmentPath(directory, head.sequence + 1))
      if (entry.event !== 'removed') {
        removeOldest()
        write(entry)
        return
      }
    }
    writeWhole(line)
    size += line.length
    head = { sequence: head.sequence + 1, hash: hashLine(text) }
    isDirty = true
  }

  /** All of it or nothing: half a line would make the next one unreadable. */
  const writeWhole = (line: Buffer): void => {
    try {
      for (let at = 0; at < line.length; ) at += writeSync(file, line, at)
    } catch (error) {
      ftruncateSync(file, size)
      throw error
    }
  }

  const removeOldest = (): void => {
    const segments = listSegments(directory)
    for (const [index, segment] of segments.slice(0, -files).entries()) {
      const lastSequence = (segments[index + 1]?.firstSequence ?? 1) - 1
      const text = lastLineOf(segment.path)
      const lastHash = hashLine(text)
      const isWhole = parseLine(text)?.seq === lastSequence
      // Told before it is done: after a crash in between it is told twice, never not at all.
      write({
        event: 'removed',
        firstSequence: segment.firstSequence,
        lastSequence,
        lastHash,
        isWhole,
      })
      unlinkSync(segment.path)
    }
  }

  const append = (entry: AuditEntry): void => {
    explained(directory, () => {
      if (file !== -1) keepInPlace()
      for (const finding of findings.splice(0)) write(finding)
      if (missed > 0) {
        write({ event: 'gap', lines: missed })
        missed = 0
      }
      write(entry)
    })
    scheduleFlush()
  }

  const scheduleFlush = (): void => {
    if (flushing) return
    flushing = world
      .sleep(flushDelayMs, closing.signal)
      .then(flush)
      .catch(() => undefined)
      .finally(() => {
        flushing = undefined
      })
  }

  let synced = Promise.resolve()
  const flush = async (): Promise<void> => {
    synced = synced.then(sync, sync)
    await synced
  }
  const sync = async (): Promise<void> => {
    if (!isDirty) return
    isDirty = false
    try {
      await promisify(fdatasync)(file)
    } catch (error) {
      isDirty = true
      throw error
    }
  }

  /**
   * Whoever may become root can take the file away, or change it; it shall not stay unnoticed, and no line shall go where
   * nobody finds it. The log goes on in a new file, but makes no directory: with that gone, nothing can be told, until it is
   * back. One look by path is all that it costs.
   */
  const keepInPlace = (): void => {
    const what = findTampering(statSync(path, { throwIfNoEntry: false }), { ...place, size })
    if (what !== null) {
      if (!isAlarmed) onTampered(what)
      isAlarmed = true
      openFile(segmentPath(directory, head.sequence + 1))
    }
    isAlarmed = false
  }

  explained(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (end.path !== null) openFile(end.path)
  })

  return {
    append,
    note: (entry) => {
      try {
        append(entry)
      } catch {
        missed += 1
      }
    },
    flushedHead: async () => {
      const flushed = head
      if (file !== -1) {
        isAlarmed = false
        keepInPlace()
        await flush()
      }
      return flushed
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await flushing
      if (file === -1) return
      fsyncSync(file)
      closeSync(file)
    },
  }
}

/** What somebody else did to the newest file, by what its path leads to now. Pure. */
function findTampering(
  found: Stats | undefined,
  written: { dev: number; ino: number; size: number },
): string | null {
  if (!found) return 'its newest file was removed'
  if (found.dev !== written.dev || found.ino !== written.ino) return 'its newest file was replaced'
  return found.size === written.size ? null : 'its newest file was changed'
}

function explained<T>(directory: string, act: () => T): T {
  try {
    return act()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AuditUnavailableError(`the audit log in ${directory} cannot be written: ${why}`, {
      cause,
    })
  }
}
