import type { ChaosOutcome } from './run-chaos.ts'

/** So many problems are told one by one. */
const shownProblems = 30

/** The outcome as a table. */
export function reportOutcome(outcome: ChaosOutcome): string {
  const { endings, faults, problems } = outcome
  const rows: [string, string | number][] = [
    ['commands sent', outcome.commands],
    ...Object.entries(endings).map(([state, count]): [string, number] => [`  ${state}`, count]),
    ['effects: once', outcome.marksOnce],
    ['effects: never (not begun, or interrupted)', outcome.marksNever],
    ['effects: repeated (idempotent ones)', outcome.marksRepeated],
    ['bytes of output compared', outcome.outputBytes],
    ['faults', Object.values(faults).reduce((sum, count) => sum + count, 0)],
    ...Object.entries(faults)
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(([kind, count]): [string, number] => [`  ${kind}`, count]),
    ['requests that met a fault', outcome.requestsHit],
    ['faults of the network that met no request', outcome.faultsUnmet],
    ['jumps of the queue clock past stranded claims', outcome.clockJumps],
    ['seconds', outcome.seconds],
    ['problems', problems.length],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const table = rows.map(([name, value]) => `${name.padEnd(width)}  ${String(value).padStart(12)}`)
  const told = problems.slice(0, shownProblems).map((problem) => `- ${problem}`)
  return `${[...table, ...told].join('\n')}\n`
}
