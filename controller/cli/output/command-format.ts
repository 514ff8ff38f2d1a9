import type { CommandRecord } from '../../api/resources.ts'
import { describeEnd, describeOperation, shorten } from './describe-command.ts'
import { formatBytes } from './human-size.ts'
import { formatAge, formatMoment } from './human-time.ts'
import { formatFields, formatTable } from './table.ts'

/** Commands as a table. */
export function formatCommands(commands: readonly CommandRecord[], now: Date): string {
  return formatTable(
    ['ID', 'INSTANCE', 'STATE', 'CREATED', 'OPERATION'],
    commands.map((command) => [
      command.id,
      `${command.cluster}/${command.instance}`,
      command.ended ? shorten(describeEnd(command), 40) : describeOpen(command),
      formatAge(command.createdAt, now),
      shorten(describeOperation(command.operation), 60),
    ]),
  )
}

/** All that is known of one, and its result. */
export function formatCommand(command: CommandRecord, now: Date): string {
  const { result } = command
  return formatFields({
    id: command.id,
    instance: `${command.cluster}/${command.instance}`,
    operation: describeOperation(command.operation),
    state: command.ended ? command.state : describeOpen(command),
    created: formatMoment(command.createdAt, now),
    posted: formatMoment(command.postedAt, now),
    accepted: formatMoment(command.acceptedAt, now),
    ended: formatMoment(command.endedAt, now),
    ...(!command.ended && {
      'start by': formatMoment(command.startBy, now),
      deadline: formatMoment(command.deadline, now),
    }),
    output: `${formatBytes(command.outputBytes)}${command.outputComplete ? '' : ' (more is missing)'}`,
    ...(command.ended && { end: describeEnd(command) }),
    ...(result !== null && resultFields(result)),
  })
}

/** Where a command stands that has not ended: `accepted`, `accepted (cancelling)`. */
function describeOpen({ state, cancelRequested }: CommandRecord): string {
  return cancelRequested ? `${state} (cancelling)` : state
}

function resultFields(result: NonNullable<CommandRecord['result']>): Record<string, string> {
  const { resources, survivors, answer } = result
  const cpuMs = (resources?.userCpuMs ?? 0) + (resources?.systemCpuMs ?? 0)
  return {
    ...(resources !== undefined && { CPU: `${Math.round(cpuMs)} ms` }),
    ...(resources?.peakMemoryBytes !== undefined && {
      memory: formatBytes(resources.peakMemoryBytes),
    }),
    ...(survivors.length > 0 && {
      survivors: survivors.map(({ pid, program }) => `${program} (${pid})`).join(', '),
    }),
    ...(Object.keys(answer).length > 0 && { answer: JSON.stringify(answer) }),
  }
}
