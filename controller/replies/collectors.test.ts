import { expect, test } from 'vitest'
import type { ClaimResult } from '../../protocol/zaqar/claims.ts'
import { ReplyUnparsableError } from '../../protocol/zaqar/errors.ts'
import { openContextWithInstance } from '../../test/controller/context-with-instance.ts'
import { listClusters } from '../store/clusters.ts'
import { startAnnouncer } from './announcer.ts'
import { startCollectors } from './collectors.ts'

const note = () => undefined
const nothing: ClaimResult = {
  claimId: undefined,
  messages: [],
  waited: true,
  serverTime: undefined,
}

test('replies that are too large to be claimed together are claimed one by one', async () => {
  await using opened = await openContextWithInstance()
  const { context, world } = opened
  const limits: (number | undefined)[] = []
  const isDone = Promise.withResolvers<void>()
  const never = Promise.withResolvers<never>()
  const queue: typeof context.queue = {
    ...context.queue,
    claimMessages: async (_name, options) => {
      limits.push(options?.limit)
      if (limits.length === 1) throw new ReplyUnparsableError('claim', 'it is over 1 bytes')
      if (limits.length === 8) isDone.resolve()
      return limits.length < 8 ? nothing : await never.promise
    },
  }
  const parts = { answerHello: note, settleLarge: note }
  await using announcer = startAnnouncer(context, undefined)
  const collectors = startCollectors(
    { ...context, queue },
    parts,
    announcer,
    listClusters(context.store),
  )
  await world.untilSleeping()
  await world.advance(10_000)
  await isDone.promise
  expect(limits).toEqual([20, 1, 2, 4, 8, 16, 20, 20])
  never.reject(new Error('the end'))
  await collectors[Symbol.asyncDispose]()
})
