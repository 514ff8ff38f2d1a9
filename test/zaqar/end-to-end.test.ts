import { afterAll, beforeAll, describe } from 'vitest'
import { describeFailOver } from '../end-to-end/fail-over.ts'
import { describeKills } from '../end-to-end/kills.ts'
import { missingZaqarPackages } from './missing-packages.ts'
import { type RealZaqar, startZaqar } from './start-zaqar.ts'
import { zaqarUnderTest } from './zaqar-under-test.ts'

const missing = missingZaqarPackages()
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''

describe.skipIf(missing.length > 0)(
  `on the real Zaqar, when somebody is killed with SIGKILL${needed}`,
  () => {
    let zaqar: RealZaqar
    beforeAll(async () => {
      zaqar = await startZaqar()
    }, 120_000)
    afterAll(async () => await zaqar[Symbol.asyncDispose]())

    const openQueue = zaqarUnderTest(() => zaqar)
    describeKills(() => ({ openQueue, agent: { poll: { ceilingSeconds: 0.5 } } }))

    describe('a pair of controllers on one store, of which one is killed', () => {
      describeFailOver(openQueue)
    })
  },
)
