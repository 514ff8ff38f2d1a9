import type { LeftOut } from '../../api/resources.ts'
import { ownErrorExitCode } from '../exit-code.ts'
import { printable } from '../output/printable.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'

/**
 * Tells which instances of a cluster got no command, and why; nothing where only the enrolled ones were asked for.
 *
 * @returns what the exit code must not be below: a script that asked for all of a cluster must not take a part for it.
 */
export async function tellLeftOut(
  { stderr }: Terminal,
  { json, enrolledOnly }: { json: boolean; enrolledOnly: boolean },
  leftOut: readonly LeftOut[],
): Promise<number> {
  if (leftOut.length === 0 || enrolledOnly) return 0
  const message = `left out, hence exit code ${ownErrorExitCode}: ${describe(leftOut)}`
  const told = JSON.stringify({ code: 'ERR_INSTANCE_NOT_ENROLLED', message, leftOut })
  await writeAll(stderr, json ? `${told}\n` : `sahara-controller: ${printable(message)}\n`)
  return ownErrorExitCode
}

/** `worker-3, worker-4 (had not enrolled yet)` */
function describe(leftOut: readonly LeftOut[]): string {
  const byReason = Map.groupBy(leftOut, ({ reason }) => reason.message)
  return [...byReason]
    .map(([why, those]) => `${those.map(({ instance }) => instance).join(', ')} (${why})`)
    .join('; ')
}
