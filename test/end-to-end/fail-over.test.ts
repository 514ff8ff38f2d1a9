import { describe } from 'vitest'
import { queueHere } from '../system/queue-under-test.ts'
import { describeFailOver } from './fail-over.ts'

describe('a pair of controllers on one store', () => {
  describeFailOver(queueHere)
})
