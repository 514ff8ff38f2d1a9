import { type Side, timed } from './alternate.ts'
import type { Report } from './report.ts'
import { startSshd, type TestSshd, whyNoSshd } from './start-sshd.ts'

/** Starts an sshd to compare with; where it cannot run, `side` is reported as skipped, with the reason. */
export async function openSshd(
  report: Report,
  side: string,
  opened: AsyncDisposableStack,
): Promise<TestSshd | undefined> {
  const missing = whyNoSshd()
  try {
    if (missing !== undefined) throw new Error(missing)
    return opened.use(await startSshd())
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'it did not start'
    report.skipped.push({ side, reason })
    return undefined
  }
}

/** Rounds for one of what begins anew each time: it takes so much longer that little else would be measured. */
export const coldEvery = 5

/** `true` by ssh, `count` at once; no sides without an sshd. */
export function sshSides(sshd: TestSshd | undefined, count: number): Side[] {
  if (sshd === undefined) return []
  const side = (name: string, way: TestSshd['cold'], everyRounds: number): Side =>
    timed(
      name,
      async () => await together(count, async () => await way(['/bin/true'])),
      everyRounds,
    )
  return [side('ssh, warm ControlMaster', sshd.warm, 1), side('ssh, cold', sshd.cold, coldEvery)]
}

/** Starts all at once, and waits for the last. */
export async function together(count: number, run: () => Promise<unknown>): Promise<undefined> {
  await Promise.all(Array.from({ length: count }, run))
}
