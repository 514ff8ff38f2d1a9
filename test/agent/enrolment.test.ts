import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { askStatus } from '../../agent/status/ask-status.ts'
import { Credentials } from '../../protocol/messages/credentials.ts'
import { waitFor } from '../system/wait-for.ts'
import { setStage } from './stage.ts'

type Stage = Awaited<ReturnType<typeof setStage>>

const print = { name: 'exec', argv: ['print', 'hello'] }
const heartbeats = async ({ controller }: Stage, count = 1) =>
  controller.until(
    () => controller.reports.filter(({ kind }) => kind === 'heartbeat').length >= count,
    `${count} heartbeats`,
  )

describe('an agent without an enrolment', () => {
  test('shows the secret once, inside the sealed hello, and is welcomed', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await heartbeats(stage)
    expect(controller.hellos).toHaveLength(1)
    expect(controller.hellos[0]).toMatchObject({
      purpose: 'enrol',
      instanceName: 'worker-1',
      instanceUuid: 'c0ffee00-0000-4000-8000-000000000001',
      enrolmentSecret: expect.any(Uint8Array),
    })
    const status = await askStatus(join(stage.stateDirectory, 'agent.sock'))
    expect(status).toMatchObject({ phase: 'running', instanceName: 'worker-1', running: [] })
  })

  test('waits for a bootstrap file that comes later, and says so', async () => {
    await using stage = await setStage({ hasBootstrap: false })
    stage.startAgent()
    await waitFor('it says so', () => stage.logged.some((line) => line.includes('bootstrap file')))
    const status = await askStatus(join(stage.stateDirectory, 'agent.sock'))
    expect(status).toMatchObject({ phase: 'enrolling', instance: null })
    for (let times = 0; times < 5; times += 1) stage.world.shift(2000)
    expect(stage.logged.filter((line) => line.includes('bootstrap file'))).toHaveLength(1)
    const bootstrap = JSON.stringify(await stage.controller.bootstrap())
    await writeFile(join(stage.directory, 'bootstrap.json'), bootstrap)
    stage.world.shift(2000)
    await heartbeats(stage)
  })

  test('says hello again when nobody answers, and takes the answer to any of its hellos', async () => {
    await using stage = await setStage()
    const { controller, world } = stage
    controller.answerWith(() => (controller.hellos.length < 3 ? 'ignore' : 'welcome'))
    stage.startAgent()
    for (const count of [1, 2, 3]) {
      await controller.until(() => controller.hellos.length >= count, `hello ${count}`)
      if (count < 3) world.shift(61_000)
    }
    await heartbeats(stage)
    expect(
      new Set(controller.hellos.map(({ nonce }) => Buffer.from(nonce).toString('hex'))).size,
    ).toBe(controller.hellos.length)
  })

  test('keeps asking when it is refused, as somebody may allow it later', async () => {
    await using stage = await setStage()
    const { controller, world } = stage
    controller.answerWith(() => 'refuse')
    stage.startAgent()
    await waitFor('it is refused', () => stage.logged.some((line) => line.includes('refuses')))
    controller.answerWith(() => 'welcome')
    const socket = join(stage.stateDirectory, 'agent.sock')
    await waitFor('it rests', async () => (await askStatus(socket)).enrolment === 'resting')
    world.shift(70_000)
    await heartbeats(stage)
  })
})

describe('an agent with an enrolment', () => {
  test('needs no hello at its next start, and no bootstrap file', async () => {
    await using stage = await setStage()
    const { controller } = stage
    const agent = stage.startAgent()
    await heartbeats(stage)
    await agent.stop()
    await rm(join(stage.directory, 'bootstrap.json'))
    stage.startAgent()
    await heartbeats(stage, 2)
    expect(controller.hellos).toHaveLength(1)
    const status = await askStatus(join(stage.stateDirectory, 'agent.sock'))
    expect(status).toMatchObject({ phase: 'running', enrolment: 'enrolled' })
    const sequences = controller.reports.map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
  })

  test('starts over with new keys on a disk that was cloned', async () => {
    await using stage = await setStage()
    const { controller, operations } = stage
    const agent = stage.startAgent()
    await heartbeats(stage)
    const sent = await controller.send({ name: 'exec', argv: ['hold', 'x'] })
    await controller.until(() => controller.output(sent).length > 0, 'its output')
    await agent.kill()
    stage.startAgent({ instanceUuid: 'c0ffee00-0000-4000-8000-000000000002' })
    await controller.until(() => controller.hellos.length === 2, 'a second hello')
    const [one, two] = controller.hellos
    expect(two?.sealingKey.x).not.toBe(one?.sealingKey.x)
    await heartbeats(stage, 2)
    operations.release(sent.command.id)
    // The clone neither owes nor answers for the command of its origin.
    const status = await askStatus(join(stage.stateDirectory, 'agent.sock'))
    expect(status.owed).toBe(0)
  })

  test('takes new credentials in band, and keeps them', async () => {
    await using stage = await setStage()
    const { controller } = stage
    stage.startAgent()
    await heartbeats(stage)
    controller.setCredentialsLife(2 * 86_400)
    const credentials = z.encode(Credentials, await controller.credentials())
    const result = await controller.result(
      await controller.send({ name: 'credentials', credentials }),
    )
    expect(result).toMatchObject({ state: 'succeeded', answer: { used: true } })
    const kept = await readFile(join(stage.stateDirectory, 'credentials.json'), 'utf8')
    expect(kept).toContain(credentials.claim.signature)
    expect((await controller.result(await controller.send(print))).state).toBe('succeeded')
  })

  test('renews over the lobby by itself when its credentials have ended', async () => {
    await using stage = await setStage()
    const { controller, world } = stage
    controller.setCredentialsLife(3600)
    const agent = stage.startAgent()
    await heartbeats(stage)
    await agent.kill()
    world.shift(2 * 3_600_000)
    stage.startAgent()
    await controller.until(
      () => controller.hellos.some(({ purpose }) => purpose === 'renew'),
      'a hello to renew',
    )
    expect(controller.hellos.at(-1)).not.toHaveProperty('enrolmentSecret')
    expect((await controller.result(await controller.send(print))).state).toBe('succeeded')
  })

  test('renews over the lobby when its credentials are refused', async () => {
    await using stage = await setStage()
    const { controller } = stage
    const agent = stage.startAgent()
    await heartbeats(stage)
    await agent.kill()
    const path = join(stage.stateDirectory, 'credentials.json')
    const kept = await readFile(path, 'utf8')
    // As if the service's signing key had been changed: it answers one bare 404.
    await writeFile(path, kept.replaceAll(/"signature": "[0-9a-f]{8}/g, '"signature": "00000000'))
    stage.startAgent()
    await controller.until(
      () => controller.hellos.some(({ purpose }) => purpose === 'renew'),
      'a hello to renew',
    )
    expect((await controller.result(await controller.send(print))).state).toBe('succeeded')
  })
})
