import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type ContextWithInstance,
  openContextWithInstance,
} from '../../test/controller/context-with-instance.ts'
import { listAlerts } from '../store/alerts.ts'
import { pinInstance, readInstance } from '../store/instances.ts'
import { takeReport } from './take-report.ts'

let opened: ContextWithInstance
beforeEach(async () => {
  opened = await openContextWithInstance()
})
afterEach(async () => opened[Symbol.asyncDispose]())

const at = new Date('2030-01-01T12:00:00Z')

async function takeAlert(sequence: number): Promise<void> {
  const { context, instanceId } = opened
  const message = `alert ${sequence}`
  await context.store.write(() =>
    takeReport(context, instanceId, { kind: 'alert', sequence, at, code: 'noise', message }),
  )
}

async function takeHeartbeat(sequence: number, agentVersion: string): Promise<void> {
  const { context, instanceId } = opened
  const facts = { bootId: 'b', uptimeSeconds: 1, running: [], owed: 0, clockOffsetMs: 0 }
  await context.store.write(() =>
    takeReport(context, instanceId, { kind: 'heartbeat', sequence, at, agentVersion, ...facts }),
  )
}

function alerts(): string[] {
  const { context, instanceId } = opened
  return listAlerts(context.store, instanceId, 1000).map(({ message }) => message)
}

async function pin(signingKeyId: string): Promise<void> {
  const { context, instanceId } = opened
  const pinned = {
    instanceUuid: 'u',
    signingKeyId,
    sealingKey: { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43) } as const,
    reportKey: new Uint8Array(32),
    now: at,
  }
  await context.store.write(() => pinInstance(context.store, instanceId, pinned))
}

test('alerts that come out of order, and after a newer heartbeat, are all kept, each once', async () => {
  await takeAlert(5)
  await takeHeartbeat(9, '1.0.0')
  for (const sequence of [3, 4, 5, 3, 8]) await takeAlert(sequence)
  expect(alerts()).toEqual(['alert 8', 'alert 4', 'alert 3', 'alert 5'])
})

test('an alert that was held back is no sign of life', async () => {
  const { context, instanceId } = opened
  await takeHeartbeat(9, '1.0.0')
  const seen = readInstance(context.store, instanceId)?.lastSeenAt
  await opened.world.advance(60_000)
  await takeAlert(8)
  expect(readInstance(context.store, instanceId)?.lastSeenAt).toEqual(seen)
  await takeHeartbeat(10, '1.0.0')
  expect(readInstance(context.store, instanceId)?.lastSeenAt).not.toEqual(seen)
})

test('what is remembered of alerts is bounded, and one older than all of it is dropped', async () => {
  for (let sequence = 1; sequence <= 300; sequence += 1) await takeAlert(sequence)
  const before = alerts()
  await takeAlert(44)
  expect(alerts()).toEqual(before)
  const remembered = opened.context.store.database.all(
    z.object({ sequence: z.int() }),
    'SELECT sequence FROM alerts_taken ORDER BY sequence',
  )
  expect(remembered).toHaveLength(256)
  expect(remembered[0]).toEqual({ sequence: 45 })
})

test('a heartbeat that is not the newest changes nothing', async () => {
  await takeHeartbeat(9, '1.0.0')
  await takeHeartbeat(8, '0.9.0')
  const { context, instanceId } = opened
  expect(readInstance(context.store, instanceId)?.agentVersion).toBe('1.0.0')
})

test('an instance that enrolled again with another key counts its reports from the start', async () => {
  await pin('first')
  await takeAlert(2_000_000)
  await takeHeartbeat(2_000_001, '1.0.0')
  await pin('first')
  await takeAlert(2_000_000)
  await takeHeartbeat(1, '2.0.0')
  expect(alerts()).toEqual(['alert 2000000'])
  await pin('second')
  await takeAlert(2)
  await takeHeartbeat(1, '2.0.0')
  expect(alerts()).toEqual(['alert 2', 'alert 2000000'])
  const { context, instanceId } = opened
  expect(readInstance(context.store, instanceId)?.agentVersion).toBe('2.0.0')
})
