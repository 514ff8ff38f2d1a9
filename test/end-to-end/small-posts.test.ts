import { describe } from 'vitest'
import { queueHere } from '../system/queue-under-test.ts'
import { describeSmallPosts, smallPostBytes } from './small-posts.ts'

describe('on a queue service that takes small POSTs only', () => {
  describeSmallPosts(
    async (directory) => await queueHere(directory, { maxPostBytes: smallPostBytes }),
  )
})
