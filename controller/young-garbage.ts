import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** So much may be dropped before it is collected, in bytes. */
const collectAfterBytes = 16 * 1024 * 1024

let droppedBytes = 0
let collect: (() => void) | undefined

/**
 * Counts bytes that were worked on and are dropped, and collects the young generation now and then. V8 does not count buffers
 * outside its heap as young: they pile up until it marks the whole heap, which costs fifty times as much.
 */
export function noteDropped(bytes: number): void {
  droppedBytes += bytes
  if (droppedBytes < collectAfterBytes) return
  droppedBytes = 0
  collect ??= findCollector()
  collect()
}

/** Node has it only behind a flag, and in contexts that are made after it is set. */
function findCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const found: () => void = runInNewContext(`() => gc({ type: 'minor' })`)
  return found
}
