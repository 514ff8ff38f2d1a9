import type { Show } from '../show.ts'
import { expectThat } from '../stage.ts'

/** One command on all instances, its output as it appears; and one that fails. */
export async function runOnAll({ stage, system }: Show): Promise<void> {
  stage.scene('A command on all three, with live output')
  const script = 'for i in 1 2 3; do echo "step $i of process $$"; sleep 0.2; done'
  stage.typed(`sahara-controller run demo -- sh -c '${script}'`)
  const all = await system.cli(['run', 'demo', '--', 'sh', '-c', script], { live: true })
  expectThat(all.exitCode === 0, 'the command succeeds on all', all)
  const steps = all.stdout.match(/worker-\d.*step \d/g)?.length
  expectThat(steps === 9, 'nine lines arrive, each with its instance', all.stdout)
  stage.shown('nine lines from three instances, each under its own name, while the commands ran')

  stage.typed("sahara-controller run demo/worker-1 -- sh -c 'echo no such luck >&2; exit 3'")
  const failing = ['run', 'demo/worker-1', '--', 'sh', '-c', 'echo no such luck >&2; exit 3']
  const failed = await system.cli(failing, { live: true })
  expectThat(failed.exitCode === 3, 'the exit code comes back as ssh would give it', failed)
  stage.shown('a failing command: exit code 3 here, its words on standard error')
}
