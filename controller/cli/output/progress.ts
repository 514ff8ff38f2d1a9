import type { Terminal } from '../terminal.ts'
import { formatBytes } from './human-size.ts'

/** Tells how far a transfer is. On anything but a terminal it says nothing. */
export interface Progress extends Disposable {
  add: (bytes: number) => void
}

/** @param totalBytes null while nobody knows. */
export async function openProgress(
  { stderr }: Pick<Terminal, 'stderr'>,
  label: string,
  totalBytes: number | null,
): Promise<Progress> {
  if (stderr.isTTY !== true) return { add: () => {}, [Symbol.dispose]: () => {} }
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    stream: stderr,
    // Redrawn a few times a second at most; gone when done, so that what is said then stands alone.
    clearOnComplete: true,
    fps: 5,
    hideCursor: true,
    etaBuffer: 50,
    format:
      totalBytes === null
        ? `${label}  {value}`
        : `${label}  {bar} {percentage}%  {value}/{total}  {eta_formatted}`,
    formatValue: (value, _, type) =>
      type === 'value' || type === 'total' ? formatBytes(value) : String(value),
  })
  bar.start(totalBytes ?? 0, 0)
  return {
    add: (bytes) => bar.increment(bytes),
    [Symbol.dispose]: () => bar.stop(),
  }
}
