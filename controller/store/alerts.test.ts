import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { fakeWorld } from '../../test/fake-world.ts'
import { keepReportedAlert, listAlerts, raiseAlert } from './alerts.ts'
import { openStore, type Store } from './open-store.ts'
import { removeDeletedParents } from './retention.ts'

const at = new Date('2030-01-01T12:00:00Z')
const pinned = { at, code: 'key-pinned', message: 'another key is pinned' }
let directory: string
let store: Store

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sahara-alerts-'))
  store = await openStore(directory, fakeWorld())
  store.database.script(`
    INSERT INTO clusters (id, name, created_at, return_queue, lobby_queue) VALUES ('c', 'c', 0, 'r', 'l');
    INSERT INTO instances (id, cluster_id, name, created_at, command_queue) VALUES ('i', 'c', 'i', 0, 'q');`)
})
afterEach(async () => {
  store[Symbol.dispose]()
  await rm(directory, { recursive: true })
})

test('an alert about an instance that is gone is not kept: it would keep its row for ever', async () => {
  store.database.script(`UPDATE instances SET deleted_at = 1 WHERE id = 'i'`)
  raiseAlert(store, 'i', pinned)
  expect(listAlerts(store, 'i', 5)).toEqual([])
  // As an earlier version has left it.
  store.database.script(
    `INSERT INTO alerts (instance_id, at, code, message, reported) VALUES ('i', 1, 'x', 'x', 0)`,
  )
  await store.write(() => removeDeletedParents(store, at))
  expect(store.database.all(z.unknown(), 'SELECT id FROM instances')).toEqual([])
})

test('an alert of the controller outlives and outranks whatever the guest reports', () => {
  raiseAlert(store, 'i', pinned)
  for (let count = 0; count < 30; count += 1) {
    keepReportedAlert(store, 'i', { at, code: 'key-pinned', message: `noise ${count}` }, 10)
  }
  const alerts = listAlerts(store, 'i', 5)
  expect(alerts.at(0)).toEqual(pinned)
  expect(alerts.slice(1).map(({ message }) => message)).toEqual(
    [29, 28, 27, 26, 25].map((count) => `noise ${count}`),
  )
  expect(listAlerts(store, 'i', 100)).toHaveLength(11)
})

test('an alert of the controller is not pushed out by those of another code, which are bounded as well', () => {
  raiseAlert(store, 'i', pinned)
  for (let count = 0; count < 30; count += 1) {
    raiseAlert(store, 'i', { at, code: 'output-limit', message: `command ${count}` })
  }
  const codes = listAlerts(store, 'i', 5).map(({ code }) => code)
  expect(codes).toEqual([...Array.from({ length: 5 }, () => 'output-limit'), 'key-pinned'])
})

test('an alert of the controller that is repeated only moves its time', () => {
  raiseAlert(store, 'i', pinned)
  raiseAlert(store, 'i', { ...pinned, message: 'another one' })
  const later = new Date('2030-01-01T13:00:00Z')
  raiseAlert(store, 'i', { ...pinned, at: later })
  expect(listAlerts(store, 'i', 5)).toContainEqual({ ...pinned, at: later })
  expect(listAlerts(store, 'i', 5)).toHaveLength(2)
})
