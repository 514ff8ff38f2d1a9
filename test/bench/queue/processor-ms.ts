import { readdir, readFile } from 'node:fs/promises'

/** Processor time that a process has used so far with all its threads, in milliseconds; 0 for one that has ended. */
export async function processorMs(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const used = threads.map(async (thread) => {
    // Its first field counts nanoseconds; `stat` has only ticks of 10 ms (proc(5)).
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0')
    return Number(text.split(' ')[0]) / 1e6
  })
  return (await Promise.all(used)).reduce((sum, ms) => sum + ms, 0)
}

/** Those among our descendants whose names match. */
export async function findDescendants(names: RegExp): Promise<number[]> {
  const processes = new Map<number, { name: string; parent: number }>()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    const [, name = '', parent = '0'] = /^\d+ \((.*)\) \S (\d+)/s.exec(stat) ?? []
    processes.set(Number(entry), { name, parent: Number(parent) })
  }
  const isOurs = (pid: number): boolean =>
    pid === process.pid || (pid > 1 && isOurs(processes.get(pid)?.parent ?? 0))
  return [...processes].flatMap(([pid, { name }]) => (names.test(name) && isOurs(pid) ? [pid] : []))
}
