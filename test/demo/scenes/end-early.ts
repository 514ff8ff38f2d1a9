import { z } from 'zod'
import type { Show } from '../show.ts'
import { expectThat } from '../stage.ts'

const Detached = z.looseObject({ id: z.uuid() })

/** One command is cancelled, one runs out of time; neither leaves a process behind. */
export async function endEarly({ stage, system }: Show): Promise<void> {
  stage.scene('Ending a command early')
  stage.typed('sahara-controller run demo/worker-2 --detach -- sleep 1000')
  const detached = await system.cli([
    'run',
    'demo/worker-2',
    '--detach',
    '--json',
    '--',
    'sleep',
    '1000',
  ])
  const { id } = Detached.parse(JSON.parse(detached.stdout))
  stage.typed(`sahara-controller command cancel ${id}`)
  await system.cli(['command', 'cancel', id])
  const waited = await system.cli(['command', 'wait', id, '--json'])
  expectThat(waited.stdout.includes('"cancelled"'), 'the command ends as cancelled', waited)
  stage.shown('cancelled: TERM to its whole process tree, and it ended as `cancelled`')

  stage.typed('sahara-controller run demo/worker-2 --timeout 1s -- sleep 1000')
  const late = await system.cli(['run', 'demo/worker-2', '--timeout', '1s', '--', 'sleep', '1000'])
  expectThat(late.exitCode === 124, 'the exit code is that of timeout(1)', late)
  stage.shown('timed out after a second: exit code 124, as timeout(1) has it')
}
