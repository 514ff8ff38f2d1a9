import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openIdentity } from './identity.ts'
import { readInstanceUuids } from './instance-uuid.ts'

let root = ''
beforeEach(async () => {
  root = `${await mkdtemp(join(tmpdir(), 'root-'))}/`
})
afterEach(async () => rm(root, { recursive: true, force: true }))

test('an identity gives way to the UUID that a person sets later, and then stays', async () => {
  const path = join(root, 'identity.json')
  const firmware = { source: 'firmware', uuid: 'shared-1' } as const
  const open = async (configured?: string) =>
    openIdentity(path, [...(await readInstanceUuids(configured, root)), firmware])

  const first = await open()
  expect(first).toMatchObject({ isNew: true, identity: { instanceUuid: 'shared-1' } })
  const set = await open('Own-2')
  expect(set).toMatchObject({ isNew: true, identity: { instanceUuid: 'own-2' } })
  expect(set.identity.keys).not.toEqual(first.identity.keys)
  const again = await open('own-2')
  expect(again).toMatchObject({ isNew: false, identity: { instanceUuid: 'own-2' } })
  expect(again.identity.keys).toEqual(set.identity.keys)
})
