import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { openKeystoneSession } from '../../protocol/keystone/keystone-session.ts'
import { realWorld } from '../../protocol/real-world.ts'
import type { SystemQueue } from '../system/system-queue.ts'
import { readRedis } from './read-redis.ts'
import { type RealZaqar, startZaqar, type ZaqarOptions } from './start-zaqar.ts'
import { testCloud } from './test-cloud.ts'

/** A real Zaqar as the queue of a whole installation; the controller finds it by `clouds.yaml` and Keystone. */
export interface ZaqarSystemQueue extends SystemQueue {
  zaqar: RealZaqar
}

/** Starts Redis, Keystone and Zaqar on loopback. @throws when packages are missing; all are named. */
export async function openZaqarQueue(
  directory: string,
  options: Partial<ZaqarOptions> = {},
): Promise<ZaqarSystemQueue> {
  await using opened = new AsyncDisposableStack()
  const zaqar = opened.use(await startZaqar(options))
  const session = opened.use(await openKeystoneSession(testCloud(zaqar), realWorld()))
  const environment = { OS_CLIENT_CONFIG_FILE: await writeCloudsYaml(directory, zaqar) }
  const life = opened.move()
  return {
    title: 'a real Zaqar, on Redis, with Keystone',
    zaqar,
    url: zaqar.endpoint,
    settings: { auth: 'keystone', cloud: 'test' },
    environment,
    keeper: {
      projectId: zaqar.keystone?.projects.demo.id ?? '',
      auth: { kind: 'token', getToken: session.getToken },
    },
    readStored: async () => await readRedis(zaqar.redis.port),
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

/** As an operator writes it. @returns its path. */
export async function writeCloudsYaml(
  directory: string,
  zaqar: Pick<RealZaqar, 'keystone'>,
): Promise<string> {
  const { authUrl, region } = testCloud(zaqar)
  const user = zaqar.keystone?.users.controller
  const auth = {
    auth_url: authUrl,
    username: user?.name,
    password: user?.password,
    project_name: user?.project,
    user_domain_id: 'default',
    project_domain_id: 'default',
  }
  const path = join(directory, 'clouds.yaml')
  await writeFile(path, stringify({ clouds: { test: { auth, region_name: region } } }), {
    mode: 0o600,
  })
  return path
}
