import { describe } from 'vitest'
import { queueAsProcess, queueHere } from '../system/queue-under-test.ts'
import { describeKills } from './kills.ts'

describe('a command during whose way somebody is killed with SIGKILL', () => {
  describeKills(({ isKilled }) => ({ openQueue: isKilled ? queueAsProcess : queueHere }))
})
