import { readdirSync } from 'node:fs'
import type { Metrics } from './metrics.ts'

/** What every program is asked for, under the names that Prometheus' own libraries use. */
export function addProcessMetrics(metrics: Metrics): void {
  metrics.counterOf('process_cpu_seconds_total', 'CPU time of this process.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.gauge('process_resident_memory_bytes', 'Memory of this process.', () =>
    process.memoryUsage.rss(),
  )
  metrics.gauge('process_open_fds', 'Open file descriptors of this process.', countDescriptors)
}

function countDescriptors(): number {
  try {
    // One of them is the directory's own.
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return Number.NaN
  }
}
