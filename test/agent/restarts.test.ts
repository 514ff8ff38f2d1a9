import { createHash } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createOperations } from '../../agent/operations/begin-command.ts'
import type { Resumption } from '../../agent/operations/operation.ts'
import { realWorld } from '../../protocol/real-world.ts'
import type { World } from '../../protocol/world.ts'
import type { Passing } from '../system/gate-proxy.ts'
import { shiftingWorld } from '../system/shifting-world.ts'
import { waitFor } from '../system/wait-for.ts'
import type { Sent } from './small-controller.ts'
import { type Stage, setStage } from './stage.ts'

const dayMs = 86_400_000
const print = (text: string) => ({ name: 'exec', argv: ['print', text] })
const hold = (text: string) => ({ name: 'exec', argv: ['hold', text] })
const enrolled = async ({ controller }: Stage) =>
  controller.until(() => controller.reports.some(({ kind }) => kind === 'heartbeat'), 'a heartbeat')
const isReply = ({ method, path }: Passing) => method === 'POST' && path.includes('/sa-r-')
const loseReplies = ({ gate }: Stage) =>
  gate.setGate({ before: async (passing) => (isReply(passing) ? 'drop' : 'pass') })
/** In the journal: it is logged before, and the return queue does not get it. */
const hasEnded = async ({ logged, stateDirectory }: Stage, { command }: Sent) =>
  waitFor('its end', async () => {
    const isLogged = logged.some((line) => line.includes(command.id) && line.includes('"ended"'))
    return isLogged && (await readFile(join(stateDirectory, 'agent.db-wal'))).includes('endedAt')
  })
const accepted = async ({ controller }: Stage, { replies }: Sent) =>
  controller.until(() => replies.some(({ kind }) => kind === 'accepted'), 'accepted')
const bootOf = async ({ directory }: Stage, number: number) => {
  const bootIdPath = join(directory, `boot-${number}`)
  await writeFile(bootIdPath, `0198c0de-0000-4000-8000-00000000000${number}\n`)
  return { bootIdPath }
}
const aheadWorld = (): World => {
  const real = realWorld()
  return { ...real, now: () => new Date(real.now().getTime() + dayMs) }
}
const interrupted = async (stage: Stage) => {
  const agent = stage.startAgent(await bootOf(stage, 1))
  await enrolled(stage)
  const sent = await stage.controller.send(hold('first run'), { idempotent: true })
  const isThere = () => stage.controller.output(sent).toString() === 'first run'
  await stage.controller.until(isThere, 'its output')
  await agent.kill()
  return sent
}
/** As after a power loss. */
const asInterrupted = async (found: Resumption): Promise<Resumption> => {
  if (found.kind === 'never-begun') throw new Error('it was begun')
  const ended = Promise.resolve({
    state: 'interrupted' as const,
    endedAt: new Date(),
    outputBytes: 9,
    streams: {},
    survivors: [],
    answer: {},
  })
  return { kind: 'interrupted', running: { ...found.running, ended } }
}

describe('what had ended before a restart', () => {
  test('is not done again: a write leaves alone what others have written since', async () => {
    await using stage = await setStage({ createOperations })
    const { controller, gate, world } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    loseReplies(stage)
    const path = join(stage.directory, 'target')
    const content = { size: 3, sha256: createHash('sha256').update('old').digest('hex') }
    const sent = await controller.send({ name: 'write', path }, { content })
    await controller.sendInput(sent, 0, Buffer.from('old'))
    await hasEnded(stage, sent)
    await agent.kill()
    await writeFile(`${path}.new`, 'new')
    await rename(`${path}.new`, path)
    gate.setGate({})
    stage.startAgent()
    world.shift(61_000)
    expect((await controller.result(sent)).state).toBe('succeeded')
    expect(await readFile(path, 'utf8')).toBe('new')
  })

  test('is sent as it was: a read sends what it has read, though the file is gone', async () => {
    await using stage = await setStage({ createOperations })
    const { controller, gate, world } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    loseReplies(stage)
    const path = join(stage.directory, 'log')
    await writeFile(path, 'rotated away')
    const sent = await controller.send({ name: 'read', path })
    await hasEnded(stage, sent)
    await agent.kill()
    await rm(path)
    gate.setGate({})
    stage.startAgent()
    world.shift(61_000)
    expect(await controller.result(sent)).toMatchObject({ state: 'succeeded', outputBytes: 12 })
    expect(controller.output(sent).toString()).toBe('rotated away')
  })

  test('keeps its result, also where the policy bounds its output', async () => {
    await using stage = await setStage()
    const { controller, gate, operations, world } = stage
    const policyPath = join(stage.directory, 'policy.yaml')
    const policy = 'version: 1\npreset: sahara\nlimits:\n  outputBytes: 1000000\n'
    await writeFile(policyPath, policy, { mode: 0o600 })
    const agent = stage.startAgent({ policyPath })
    await enrolled(stage)
    loseReplies(stage)
    const sent = await controller.send(print('x'))
    await hasEnded(stage, sent)
    await agent.kill()
    operations.resumeAs(asInterrupted)
    gate.setGate({})
    stage.startAgent({ policyPath })
    world.shift(61_000)
    expect((await controller.result(sent)).state).toBe('succeeded')
  })
})

describe('an idempotent command that a reboot interrupted', () => {
  test('too late to begin again is not told as one that never began', async () => {
    await using stage = await setStage()
    const { controller, operations, world } = stage
    const sent = await interrupted(stage)
    operations.resumeAs(asInterrupted)
    operations.release(sent.command.id)
    world.shift(3_700_000)
    stage.startAgent(await bootOf(stage, 2))
    const result = await controller.result(sent)
    expect(result).toMatchObject({ state: 'interrupted', outputBytes: 9 })
    expect(operations.begun.get(sent.command.id)).toBe(1)
  })

  test('and that is cancelled before it begins again keeps the output of its first run', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const sent = await interrupted(stage)
    operations.resumeAs(asInterrupted)
    operations.release(sent.command.id)
    const found = Promise.withResolvers<void>()
    operations.delayResume(found.promise)
    stage.startAgent(await bootOf(stage, 2))
    await controller.send({ name: 'cancel', target: sent.command.id })
    await waitFor('the cancel to be taken', async () => (await controller.queued()) === 0)
    found.resolve()
    expect(await controller.result(sent)).toMatchObject({ state: 'cancelled', outputBytes: 9 })
    expect(operations.begun.get(sent.command.id)).toBe(1)
  })
})

describe('an agent whose guest’s clock is a day ahead', () => {
  test('asks the queue’s before it says that a command of before the restart is too late', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const first = await controller.send(hold(''), { lane: 'a' })
    const second = await controller.send(print('x'), { lane: 'a' })
    await accepted(stage, second)
    await agent.kill()
    stage.startAgent({}, aheadWorld())
    await controller.result(await controller.send({ name: 'ping' }))
    operations.release(first.command.id)
    expect((await controller.result(second)).state).toBe('succeeded')
  })

  test('forgets nothing while the queue cannot be reached', async () => {
    await using stage = await setStage()
    const { controller, gate, logged } = stage
    const agent = stage.startAgent()
    await enrolled(stage)
    const deadline = new Date(Date.now() + 20_000_000).toISOString()
    await controller.result(await controller.send(print('x'), { deadline }))
    await waitFor('an empty queue', async () => (await controller.queued()) === 0)
    await agent.stop()
    gate.setGate({ before: async () => 'drop' })
    const world = shiftingWorld()
    world.shift(dayMs)
    stage.startAgent({}, world)
    await waitFor('it tries', () => logged.some((line) => line.includes('UNREACHABLE')))
    world.shift(601_000)
    const tries = logged.length
    await waitFor('it tries again', () => logged.length > tries)
    gate.setGate({})
    world.shift(61_000)
    const later = await controller.send(print('y'))
    expect((await controller.result(later)).state).toBe('succeeded')
  })
})

test('a command whose time to start went by while its guest was paused does not begin', async () => {
  await using stage = await setStage()
  const { controller, operations } = stage
  stage.startAgent({}, realWorld())
  await enrolled(stage)
  const first = await controller.send(hold(''), { lane: 'a' })
  const second = await controller.send(print('x'), { lane: 'a' })
  await accepted(stage, second)
  stage.world.shift(5_400_000)
  // An answer of the queue tells the agent of it.
  await controller.result(await controller.send({ name: 'ping' }))
  operations.release(first.command.id)
  expect((await controller.result(second)).state).toBe('expired')
  expect(operations.begun.has(second.command.id)).toBe(false)
})
