import { expect, test } from 'vitest'
import { abortable } from '../../protocol/abortable.ts'
import { fakeWorld } from '../../test/fake-world.ts'
import { createLookout } from '../network/lookout.ts'
import type { ClaimOutcome } from '../queue-access.ts'
import { claimUnlessCut } from './claim-unless-cut.ts'

const nothing: ClaimOutcome = {
  claimId: undefined,
  messages: [],
  waited: true,
  serverTime: undefined,
  via: 'queue',
}

test.for([
  ['is given up when its connection may be dead', { cutMs: 20_000, backMs: 21_000, given: true }],
  ['stays when the path worked all the time', { cutMs: undefined, backMs: 21_000, given: false }],
  ['stays when it went out after the failure', { cutMs: -1, backMs: 21_000, given: false }],
  ['stays while it is young', { cutMs: 1000, backMs: 4000, given: false }],
  ['stays while it is answered', { cutMs: 20_000, backMs: 21_000, given: false, head: true }],
] as const)('a held claim %s', async ([, { cutMs, backMs, given, ...more }]) => {
  const world = fakeWorld()
  const lookout = createLookout(world, () => 'the same')
  const answer = Promise.withResolvers<ClaimOutcome>()
  const claiming = claimUnlessCut(
    {
      queue: {
        claim: async ({ onHead }, signal) => {
          if ('head' in more) onHead?.()
          return await abortable(answer.promise, signal)
        },
      },
      poll: { claimLimit: 10, claimTtlSeconds: 60 },
      lookout,
      world,
    },
    new AbortController().signal,
  )
  await world.advance(backMs)
  lookout.cameBack(cutMs)
  answer.resolve(nothing)
  expect(await claiming).toEqual(given ? undefined : nothing)
})
