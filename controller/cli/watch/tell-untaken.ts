import type { CommandRecord } from '../../api/resources.ts'
import { formatAge } from '../output/human-time.ts'
import { printable } from '../output/printable.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import type { Following } from './follow-command.ts'

/** How long a command may be on its way before a person wonders, in milliseconds. */
const surprisingMs = 2000
/** So many instances are named; the others are counted. */
const namedInstances = 5

/**
 * Tells a person once, in one line, which instances have not taken their commands after two seconds, and what is known of
 * why. As with progress, anything but a terminal hears nothing.
 */
export async function tellUntaken(
  { api, world, signal }: Following & { signal: AbortSignal },
  { stderr }: Pick<Terminal, 'stderr'>,
  stillRunning: () => readonly CommandRecord[],
): Promise<void> {
  if (stderr.isTTY !== true) return
  try {
    await world.sleep(surprisingMs, signal)
    const untaken = await findUntaken(api, stillRunning(), signal)
    const [{ cluster } = {}] = untaken
    if (cluster === undefined) return
    const [known, status] = await Promise.all([api.listInstances(cluster), api.status()])
    const lastSeen = new Map(
      known.value.instances.map(({ name, lastSeenAt }) => [name, lastSeenAt]),
    )
    // What was asked for meanwhile may have come too late: only what is still so is told.
    const { queueReachable } = status.value
    const those = await findUntaken(api, untaken, signal)
    if (those.length === 0) return
    const text = describeUntaken(those, lastSeen, queueReachable, world.now())
    // From the beginning of the line, where a progress bar may stand.
    await writeAll(stderr, `\r\u001B[Ksahara-controller: ${printable(text)}\n`)
  } catch {
    // Nothing depends on it: who follows the command meets the same error, if it lasts.
  }
}

async function findUntaken(
  api: Following['api'],
  commands: readonly CommandRecord[],
  signal: AbortSignal,
): Promise<CommandRecord[]> {
  const asked = commands.map(async ({ id }) => (await api.getCommand(id, { signal })).value)
  return (await Promise.all(asked)).filter(({ state }) => state === 'queued' || state === 'posted')
}

/** `not taken yet by worker-1 (last heard of 10s ago)` */
function describeUntaken(
  commands: readonly CommandRecord[],
  lastSeen: ReadonlyMap<string, Date | null>,
  queueReachable: boolean,
  now: Date,
): string {
  const named = commands
    .slice(0, namedInstances)
    .map(({ instance }) => `${instance} (${describeLastSeen(lastSeen.get(instance) ?? null, now)})`)
  const more = commands.length - named.length
  const why = queueReachable
    ? ''
    : '; the controller cannot use the queue service, see `sahara-controller status`'
  return `not taken yet by ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}${why}`
}

function describeLastSeen(at: Date | null, now: Date): string {
  return at === null ? 'never heard of' : `last heard of ${formatAge(at, now)}`
}
