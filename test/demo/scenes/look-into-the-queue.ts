import { join } from 'node:path'
import { z } from 'zod'
import { readEnvelope } from '../../../protocol/sealing/envelope.ts'
import type { Show } from '../show.ts'
import { expectThat } from '../stage.ts'

const secret = 'the-tenants-own-secret'
const Detached = z.looseObject({ id: z.uuid() })

/** Where the command that the queue's keeper sees leaves a line each time it runs. */
export function seenMark({ system }: Show): string {
  return join(system.directory, 'seen-mark')
}

/** What whoever keeps the queue service finds in its database while a command waits there. */
export async function lookIntoTheQueue(show: Show): Promise<void> {
  const { stage, system, guests, agents } = show
  stage.scene('A look into the queue’s database')
  await agents.get('worker-1')?.stop()
  stage.say('worker-1’s agent is stopped, so that a command waits in the queue:')
  const script = `echo ${secret} | tee -a ${seenMark(show)}`
  stage.typed(
    `sahara-controller run demo/worker-1 --detach -- sh -c 'echo ${secret} | tee -a mark'`,
  )
  const flags = ['run', 'demo/worker-1', '--detach', '--json', '--', 'sh', '-c', script]
  const { id } = Detached.parse(JSON.parse((await system.cli(flags)).stdout))
  const waiting = await show.queueKeeper.findWaitingCommand()
  show.seen = waiting
  const { header, sealed } = readEnvelope(waiting.body)
  stage.say(`  queue    ${waiting.queue}`)
  stage.say(
    `  header   ${JSON.stringify({ typ: header['typ'], alg: header['alg'], enc: header['enc'] })}`,
  )
  stage.say(`  message  ${sealed.slice(-66)}`)
  const stored = await system.queue.readStored()
  expectThat(stored.includes(waiting.queue), 'the database holds the queue', 'it does not')
  expectThat(!stored.includes(secret), 'the database does not hold the secret', 'it does')
  stage.shown('the database’s bytes hold ciphertext, and the secret nowhere')

  const guest = guests[0]
  if (guest) agents.set('worker-1', await guest.startAgent())
  const waited = await system.cli(['command', 'wait', id, '--json'])
  expectThat(waited.stdout.includes('"succeeded"'), 'the waiting command runs', waited)
  const output = await system.cli(['command', 'output', id])
  expectThat(output.stdout === `${secret}\n`, 'its output is what it printed', output)
  stage.shown('worker-1 is back: the waiting command ran, and its output arrived')
}
