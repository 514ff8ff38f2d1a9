import { describe, expect, test } from 'vitest'
import type { Passing } from '../system/gate-proxy.ts'
import { waitFor } from '../system/wait-for.ts'
import { setStage } from './stage.ts'

type Stage = Awaited<ReturnType<typeof setStage>>

const print = { name: 'exec', argv: ['print', 'hello'] }
const enrolled = async ({ controller }: Stage) =>
  controller.until(() => controller.reports.some(({ kind }) => kind === 'heartbeat'), 'a heartbeat')

const isClaim = ({ method, path }: Passing) => method === 'POST' && path.includes('/claims')
const isAcknowledgement = ({ method, path }: Passing) =>
  method === 'DELETE' && path.includes('?ids=')
const isReply = ({ method, path }: Passing) => method === 'POST' && path.includes('/sa-r-')

/** A poll that was open when its agent was killed may have taken the message along: it comes back once more. */
const emptied = async ({ controller, world }: Stage) => {
  let looks = 0
  await waitFor('an empty command queue', async () => {
    looks += 1
    if (looks % 40 === 0) world.shift(61_000)
    return (await controller.queued()) === 0
  })
}

test('an agent whose held claim is lost without a word asks anew once another request gets through again', async () => {
  await using stage = await setStage()
  const { controller, gate, world } = stage
  stage.startAgent()
  await enrolled(stage)
  await waitFor('a claim that is held', async () => gate.passed.some(isClaim))
  const isLost = Promise.withResolvers<void>()
  const isRefused = Promise.withResolvers<void>()
  const never = Promise.withResolvers<'drop'>()
  gate.setGate({
    before: async (passing) => {
      if (isClaim(passing)) {
        isLost.resolve()
        return await never.promise
      }
      if (!isReply(passing)) return 'pass'
      isRefused.resolve()
      return 'drop'
    },
  })
  const first = await controller.send(print)
  await Promise.all([isLost.promise, isRefused.promise])
  // One that was just sent may still be answered.
  world.shift(6000)
  gate.setGate({})
  await controller.result(first)
  const second = await controller.send(print)
  expect((await controller.result(second)).state).toBe('succeeded')
  never.resolve('drop')
})

describe('an agent that is killed and started again', () => {
  test.for([
    ['a claim was given to it', isClaim, 'after'],
    ['it has journaled, before it acknowledges', isAcknowledgement, 'before'],
    ['it has acknowledged', isAcknowledgement, 'after'],
    ['it posts its replies', isReply, 'before'],
    ['its replies are posted, before it knows', isReply, 'after'],
  ] as const)('when %s: one effect and one answer', async ([, isTheStep, moment]) => {
    await using stage = await setStage()
    const { controller, gate, operations, world } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const reached = Promise.withResolvers<void>()
    let isArmed = false
    const cut = async (passing: Passing, answer = '') => {
      // An empty claim is not the step that is meant.
      const isEmptyClaim = isClaim(passing) && moment === 'after' && !answer.includes('sealed')
      if (!isArmed || !isTheStep(passing) || isEmptyClaim) return 'pass' as const
      reached.resolve()
      return 'drop' as const
    }
    gate.setGate(
      moment === 'before'
        ? { before: cut }
        : { after: async (passing, _status, answer) => cut(passing, answer) },
    )
    isArmed = true
    const sent = await controller.send(print)
    await reached.promise
    await agent.kill()
    gate.setGate({})
    stage.startAgent()
    // What a dead claim hides comes back when its time is over.
    world.shift(61_000)
    expect((await controller.result(sent)).state).toBe('succeeded')
    expect(controller.output(sent).toString()).toBe('hello')
    expect(operations.begun.get(sent.command.id)).toBe(1)
    await emptied(stage)
  })

  test('finds its running command again, and sends the rest of its output', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', 'so far'] })
    await controller.until(() => controller.output(sent).toString() === 'so far', 'its output')
    await agent.kill()
    stage.startAgent()
    operations.release(sent.command.id)
    expect((await controller.result(sent)).state).toBe('succeeded')
    expect(operations.begun.get(sent.command.id)).toBe(1)
  })

  test('finds a command that ended meanwhile', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', ''] })
    await waitFor('it runs', () => operations.begun.has(sent.command.id))
    await agent.kill()
    operations.release(sent.command.id, 'failed')
    stage.startAgent()
    expect((await controller.result(sent)).state).toBe('failed')
  })

  test('keeps the order of a lane over the restart', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const first = await controller.send({ name: 'exec', argv: ['hold', ''] }, { lane: 'a' })
    const second = await controller.send(print, { lane: 'a' })
    await controller.until(
      () => second.replies.some(({ kind }) => kind === 'accepted'),
      'the second is accepted',
    )
    await agent.kill()
    stage.startAgent()
    const other = await controller.send(print, { lane: 'b' })
    await controller.result(other)
    expect(operations.begun.has(second.command.id)).toBe(false)
    operations.release(first.command.id)
    expect((await controller.result(second)).state).toBe('succeeded')
  })

  test('can still cancel what an earlier one has begun', async () => {
    await using stage = await setStage()
    const { controller } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', 'x'] })
    await controller.until(() => controller.output(sent).length > 0, 'its output')
    await agent.kill()
    stage.startAgent()
    await controller.send({ name: 'cancel', target: sent.command.id })
    expect((await controller.result(sent)).state).toBe('cancelled')
  })
})

describe('an agent that gets SIGTERM', () => {
  test('waits a moment for a command that is about to end, and posts its result', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent({ stopGraceSeconds: 30 })
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', 'x'] })
    await controller.until(() => controller.output(sent).length > 0, 'its output')
    const stopped = agent.stop()
    operations.release(sent.command.id)
    await stopped
    expect((await controller.result(sent)).state).toBe('succeeded')
  })

  test('leaves a long command running, for the next agent to find', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent({ stopGraceSeconds: 0 })
    await enrolled(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', 'x'] })
    await controller.until(() => controller.output(sent).length > 0, 'its output')
    await agent.stop()
    stage.startAgent()
    operations.release(sent.command.id)
    expect((await controller.result(sent)).state).toBe('succeeded')
    expect(operations.begun.get(sent.command.id)).toBe(1)
  })

  test('before it is enrolled just ends', async () => {
    await using stage = await setStage({ hasBootstrap: false })
    await stage.startAgent().stop()
  })
})

describe('an agent whose queue service', () => {
  test('is down at its start waits for it', async () => {
    await using stage = await setStage()
    const { controller, world } = stage
    await stage.closeQueue()
    stage.startAgent()
    await waitFor('it tries', () => stage.logged.some((line) => line.includes('UNREACHABLE')))
    await stage.openQueue()
    world.shift(60_000)
    await enrolled(stage)
    expect((await controller.result(await controller.send(print))).state).toBe('succeeded')
  })

  test('does not take its replies for a while sends them later, each once', async () => {
    await using stage = await setStage()
    const { controller, gate, operations, world } = stage
    stage.startAgent()
    await enrolled(stage)
    let refused = 0
    gate.setGate({
      before: async (passing) => {
        if (!isReply(passing)) return 'pass'
        refused += 1
        return 'drop'
      },
    })
    const all = [await controller.send(print), await controller.send(print)]
    await waitFor('replies are refused', () => refused >= 2)
    await waitFor('both have ended', () => operations.begun.size === 2)
    gate.setGate({})
    world.shift(60_000)
    for (const sent of all) {
      expect((await controller.result(sent)).state).toBe('succeeded')
      expect(controller.output(sent).toString()).toBe('hello')
      expect(sent.replies.filter(({ kind }) => kind === 'result')).toHaveLength(1)
    }
  })
})
