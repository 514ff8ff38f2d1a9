import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { createClusterKeyring } from '../../controller/cluster-keyring.ts'
import { createCluster } from '../../controller/clusters/create-cluster.ts'
import { fileCommand } from '../../controller/commands/file-command.ts'
import type { Context } from '../../controller/context.ts'
import { createDueBell } from '../../controller/deadlines/due-bell.ts'
import { createControllerMetrics } from '../../controller/metrics/controller-metrics.ts'
import { readControllerConfig } from '../../controller/read-config.ts'
import { insertInstance, readInstance } from '../../controller/store/instances.ts'
import { openStore } from '../../controller/store/open-store.ts'
import { createWakeups } from '../../controller/wakeups.ts'
import { createPostLimit } from '../../protocol/zaqar/post-limit.ts'
import { createZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { type FakeWorld, fakeWorld } from '../fake-world.ts'

/** A controller's store with one cluster and one instance in it, and no queue service behind it. */
export interface ContextWithInstance extends AsyncDisposable {
  context: Context
  world: FakeWorld
  clusterId: string
  instanceId: string
  /** Files a command, and gives its id. */
  newCommand: () => Promise<string>
}

const instanceId = '018f0000-0000-7000-8000-000000000001'
const nowhere = 'http://127.0.0.1:9'

export async function openContextWithInstance(
  limits: Readonly<Record<string, number>> = {},
): Promise<ContextWithInstance> {
  const directory = await mkdtemp(join(tmpdir(), 'sahara-context-'))
  const world = fakeWorld()
  const overrides = { queue: { url: nowhere, auth: 'none' }, limits }
  const config = await readControllerConfig({ stateDirectory: directory, overrides })
  const store = await openStore(directory, world)
  const clientId = '6b29fc40-ca47-1067-b31d-00dd010662da'
  const context: Context = {
    config,
    world,
    store,
    queue: createZaqarClient(
      { endpoint: nowhere, clientId, projectId: 'p', auth: { kind: 'none' } },
      world,
    ),
    postLimit: createPostLimit(world),
    advertised: { url: nowhere, certificateAuthority: undefined },
    keyring: createClusterKeyring(store),
    wakeups: createWakeups(),
    dueBell: createDueBell(),
    metrics: createControllerMetrics(store),
    log: pino({ level: 'silent' }),
  }
  const { id: clusterId } = await createCluster(context, { name: 'c1' })
  const createdAt = world.now()
  await store.write(() =>
    insertInstance(store, { id: instanceId, clusterId, name: 'w1', createdAt, commandQueue: 'q' }),
  )
  return {
    context,
    world,
    clusterId,
    instanceId,
    newCommand: async () => {
      const instance = readInstance(store, instanceId)
      if (!instance) throw new Error('no instance')
      const operation = { name: 'ping' }
      const order = { operation, startBy: world.now(), timeoutSeconds: 1, graceSeconds: 1 }
      return (await store.write(() => fileCommand(context, instance, order))).id
    },
    [Symbol.asyncDispose]: async () => {
      store[Symbol.dispose]()
      await rm(directory, { recursive: true })
    },
  }
}
