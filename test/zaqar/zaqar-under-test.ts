import type { OpenQueueUnderTest } from '../system/queue-under-test.ts'
import { ageClaims } from './read-redis.ts'
import type { RealZaqar } from './start-zaqar.ts'
import { writeCloudsYaml } from './zaqar-system-queue.ts'

/** A real Zaqar as the queue of a test; it goes on when the test has ended. */
export function zaqarUnderTest(zaqar: () => RealZaqar): OpenQueueUnderTest {
  return async (directory) => {
    const { endpoint, redis, restartZaqar } = zaqar()
    return {
      url: endpoint,
      settings: { auth: 'keystone', cloud: 'test' },
      environment: { OS_CLIENT_CONFIG_FILE: await writeCloudsYaml(directory, zaqar()) },
      shift: async (ms) => await ageClaims(redis.port, Math.ceil(ms / 1000)),
      restart: async () => await restartZaqar('SIGKILL'),
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
}
