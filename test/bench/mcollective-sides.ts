import {
  type MCollective,
  startMCollective,
  whyNoMCollective,
} from './mcollective/start-mcollective.ts'
import type { Report } from './report.ts'

/** Starts an MCollective to compare with; where it cannot run, that is reported with the reason. */
export async function openMCollective(
  report: Report,
  directory: string,
  count: number,
  opened: AsyncDisposableStack,
): Promise<MCollective | undefined> {
  const missing = whyNoMCollective()
  try {
    if (missing !== undefined) throw new Error(missing)
    return opened.use(await startMCollective(directory, count))
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'it did not start'
    report.skipped.push({ side: 'MCollective', reason })
    return undefined
  }
}
