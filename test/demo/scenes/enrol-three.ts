import { join } from 'node:path'
import { createGuest } from '../../system/guest.ts'
import { waitFor } from '../../system/wait-for.ts'
import type { Show } from '../show.ts'
import { expectThat } from '../stage.ts'

const instances = [
  { name: 'worker-1', format: 'cloud-config' },
  { name: 'worker-2', format: 'cloud-config' },
  { name: 'worker-3', format: 'script' },
] as const

/** Three guests get user-data as a cloud would hand it to them, and join the cluster by themselves. */
export async function enrolThree({ stage, system, guests, agents }: Show): Promise<void> {
  stage.scene('Three instances join a cluster by themselves')
  stage.say('The queue service and the controller run as processes of their own.')
  stage.typed('sahara-controller cluster create demo')
  const created = await system.cli(['cluster', 'create', 'demo'])
  expectThat(created.exitCode === 0, 'the cluster is made', created)

  for (const { name, format } of instances) {
    stage.typed(`sahara-controller user-data demo --instance ${name} --format ${format}`)
    const flags = ['user-data', 'demo', '--instance', name, '--format', format]
    const userData = await system.cli(flags)
    expectThat(userData.exitCode === 0, `user-data renders as ${format}`, userData)
    const guest = await createGuest(name, join(system.directory, 'guests', name))
    await guest.applyUserData(userData.stdout)
    guests.push(guest)
    agents.set(name, await guest.startAgent())
  }

  await waitFor('three enrolled instances', async () => {
    const list = await system.cli(['instance', 'list', 'demo', '--json'])
    return list.stdout.match(/"enrolled"/g)?.length === instances.length
  })
  stage.typed('sahara-controller instance list demo')
  const list = await system.cli(['instance', 'list', 'demo'])
  for (const line of list.stdout.trimEnd().split('\n')) stage.say(`  ${line}`)
  stage.shown(
    'each agent made its own keys, showed its one-time secret, and got signed URLs for its own queues',
  )
}
