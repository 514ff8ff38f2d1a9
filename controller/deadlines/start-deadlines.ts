import { type Alarm, startAlarm } from '../alarm.ts'
import { endLost, endNeverPosted, hasNeverLeft } from '../commands/end-by-controller.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { isOutputWhole, settleIncomplete, settleLargeOutput } from '../replies/settle-output.ts'
import { setDueAt } from '../store/command-changes.ts'
import { listCommandsDue, nextCommandDueAt, type StoredCommand } from '../store/commands.ts'
import { commandKey } from '../wakeups.ts'
import { judgeDueCommand } from './judge-due-command.ts'

/** Keeps the deadlines that are the controller's: nothing stays in progress for ever, whatever becomes of its agent. */
export function startDeadlines(context: Context, departures: Departures): Alarm {
  const { log, store, world } = context
  const since = world.now()
  const ring = async () => {
    const due = listCommandsDue(store, world.now())
    const whole = due.filter(isOutputWhole)
    for (const { id } of whole) await settleLargeOutput(context, id)
    await store.write(() => {
      for (const command of due) {
        if (!whole.includes(command)) endDueCommand(context, departures, command, since)
      }
    })
    for (const { id } of due) context.wakeups.wake(commandKey(id))
  }
  const nextDueAt = () => nextCommandDueAt(store)
  const alarm = startAlarm({ name: 'deadlines', nextDueAt, ring }, world, log)
  context.dueBell.connect(alarm.set)
  return alarm
}

function endDueCommand(
  context: Context,
  departures: Departures,
  command: StoredCommand,
  since: Date,
): void {
  const { config, store, world } = context
  const verdict = judgeDueCommand(command, {
    now: world.now(),
    hasNeverLeft: hasNeverLeft(command, departures),
    isUnderWay: departures.isUnderWay(command.id),
    lostMarginMs: config.lostMarginSeconds * 1000,
    since,
  })
  switch (verdict.do) {
    case 'expire':
      return endNeverPosted(context, command, 'expired')
    case 'lose':
      context.log.warn({ command: command.id }, 'no word of a command until after its deadline')
      return endLost(context, command)
    case 'settle':
      return settleIncomplete(context, command)
    case 'wait':
      return setDueAt(store, command.id, verdict.until)
  }
}
