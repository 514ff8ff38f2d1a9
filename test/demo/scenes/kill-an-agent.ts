import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { waitFor } from '../../system/wait-for.ts'
import type { Show } from '../show.ts'
import { expectThat } from '../stage.ts'

const Detached = z.looseObject({ id: z.uuid() })

/** An agent is killed in the middle of a command, and started again: the command runs on, once, and all its output arrives. */
export async function killAnAgent({ stage, system, guests, agents }: Show): Promise<void> {
  stage.scene('An agent is killed in the middle of a command')
  const guest = guests[2]
  if (!guest) throw new Error('there is no third guest')
  const mark = join(guest.root, 'mark')
  const script = `echo begun >> ${mark}; for i in 1 2 3 4 5 6 7 8; do echo "line $i"; sleep 0.25; done; echo done >> ${mark}`
  stage.typed(
    "sahara-controller run demo/worker-3 --detach -- sh -c 'echo begun >> mark; …8 lines…; echo done >> mark'",
  )
  const flags = ['run', 'demo/worker-3', '--detach', '--json', '--', 'sh', '-c', script]
  const { id } = Detached.parse(JSON.parse((await system.cli(flags)).stdout))
  await waitFor('the command to begin', async () => (await readIfThere(mark)).includes('begun'))

  const agent = agents.get('worker-3')
  stage.typed(`kill -9 ${agent?.pid}`)
  await agent?.stop('SIGKILL')
  stage.shown('the agent is dead; the command goes on')
  agents.set('worker-3', await guest.startAgent())
  const waited = await system.cli(['command', 'wait', id, '--json'])
  expectThat(waited.stdout.includes('"succeeded"'), 'the command ends as succeeded', waited)
  const output = (await system.cli(['command', 'output', id])).stdout
  expectThat(output === eightLines(), 'all eight lines are there, once each, in order', output)
  const effects = await readIfThere(mark)
  expectThat(effects === 'begun\ndone\n', 'it ran exactly once', effects)
  stage.shown(
    'started again, the agent found its command: 8 of 8 lines, in order; it ran exactly once',
  )
}

function eightLines(): string {
  return Array.from({ length: 8 }, (_, index) => `line ${index + 1}\n`).join('')
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
