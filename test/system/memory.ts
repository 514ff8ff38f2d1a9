import { readFile } from 'node:fs/promises'

/** The most memory that a process has ever held, in bytes (VmHWM of proc(5)). */
export async function peakMemoryBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  if (kilobytes === undefined) throw new Error(`process ${pid} does not say its peak memory`)
  return Number(kilobytes) * 1024
}
