import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Command } from '../../../protocol/messages/command.ts'
import { PublicKey } from '../../../protocol/messages/enrolment.ts'
import type { Envelope } from '../../../protocol/sealing/envelope.ts'
import { generatePrivateKey, importKey } from '../../../protocol/sealing/keys.ts'
import { sealCommand } from '../../../protocol/sealing/seal-command.ts'
import { waitFor } from '../../system/wait-for.ts'
import type { Show } from '../show.ts'
import { expectThat } from '../stage.ts'
import { seenMark } from './look-into-the-queue.ts'

const hour = 3_600_000
const WithAlerts = z.looseObject({
  id: z.uuid(),
  alerts: z.array(z.looseObject({ code: z.string() })),
})

/** Whoever keeps the queue service posts a command of his own, and a real one a second time. */
export async function forgeAndReplay(show: Show): Promise<void> {
  const { stage, system, seen, queueKeeper } = show
  if (!seen) throw new Error('no message was seen')
  stage.scene('The queue’s keeper tries his hand')
  const mark = join(system.directory, 'forged')
  const before = await showInstance(show)
  const forged = await forgeCommand(show, { instance: before.id, argv: ['touch', mark] })
  await queueKeeper.post(seen.queue, forged)
  stage.say(
    'He posts a command of his own, sealed to worker-1’s true key, and the one that he saw, again:',
  )
  await queueKeeper.post(seen.queue, seen.body)
  // A later command on the same queue proves that the agent has been past both.
  const later = await system.cli(['run', 'demo/worker-1', '--', 'ls', mark])
  expectThat(later.exitCode === 2, 'the forged command left no trace', later)
  await waitFor('an alert about the forged command', async () => {
    const { alerts } = await showInstance(show)
    return alerts.length > before.alerts.length
  })
  stage.typed('sahara-controller instance show demo/worker-1')
  const shown = await system.cli(['instance', 'show', 'demo/worker-1'])
  for (const line of shown.stdout.split('\n'))
    if (/seal|signature/i.test(line)) stage.say(`  ${line.trim()}`)
  stage.shown(
    'the forged command was refused, for nobody’s signature is on it, and raised as an alert',
  )

  const runs = await readFile(seenMark(show), 'utf8')
  expectThat(runs.split('\n').length === 2, 'the repeated command ran once only', runs)
  stage.shown('the repeated command ran no second time: its id stands in the agent’s journal')
}

/** A command as good as one can make it without the cluster's signing key; the attacker is even given the agent's public key. */
async function forgeCommand(
  { guests }: Show,
  { instance, argv }: { instance: string; argv: string[] },
): Promise<Envelope> {
  const identity = await readFile(join(guests[0]?.stateDirectory ?? '', 'identity.json'), 'utf8')
  const bootstrap = await readFile(
    join(guests[0]?.root ?? '', 'etc/sahara-agent/bootstrap.json'),
    'utf8',
  )
  const { sealingKey } = z
    .looseObject({ sealingKey: PublicKey.extend({ d: z.unknown() }) })
    .parse(JSON.parse(identity))
  const { cluster } = z.looseObject({ cluster: z.uuid() }).parse(JSON.parse(bootstrap))
  const { kty, crv, x } = sealingKey
  const command: Command = {
    v: 1,
    id: randomUUID(),
    cluster,
    instance,
    issuedAt: new Date(),
    startBy: new Date(Date.now() + hour),
    deadline: new Date(Date.now() + hour),
    timeoutSeconds: 60,
    graceSeconds: 1,
    idempotent: false,
    replyKey: new Uint8Array(randomBytes(32)),
    operation: { name: 'exec', argv },
  }
  return await sealCommand(command, {
    cluster: await importKey(await generatePrivateKey('Ed25519')),
    agent: await importKey({ kty, crv, x }),
  })
}

async function showInstance({ system }: Show): Promise<z.output<typeof WithAlerts>> {
  const shown = await system.cli(['instance', 'show', 'demo/worker-1', '--json'])
  return WithAlerts.parse(JSON.parse(shown.stdout))
}
