import { afterAll, beforeAll, describe } from 'vitest'
import { describeSmallPosts, smallPostBytes } from '../end-to-end/small-posts.ts'
import { missingZaqarPackages } from './missing-packages.ts'
import { type RealZaqar, startZaqar } from './start-zaqar.ts'
import { zaqarUnderTest } from './zaqar-under-test.ts'

const missing = missingZaqarPackages()
const needed = missing.length > 0 ? ` (skipped: apt-get install ${missing.join(' ')})` : ''

describe.skipIf(missing.length > 0)(
  `on the real Zaqar with a small max_messages_post_size and max_message_ttl${needed}`,
  () => {
    let zaqar: RealZaqar
    beforeAll(async () => {
      zaqar = await startZaqar({ maxPostBytes: smallPostBytes, maxMessageTtlSeconds: 3600 })
    }, 120_000)
    afterAll(async () => await zaqar[Symbol.asyncDispose]())

    describeSmallPosts(zaqarUnderTest(() => zaqar))
  },
)
