import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openContextWithInstance } from '../../test/controller/context-with-instance.ts'
import { StoreWriteError } from '../errors.ts'
import { openContentStore } from './content-store.ts'

const refuse = async () => {
  throw new StoreWriteError('the disk is full')
}

test('a content that did not come on the books is gone with the next start, and no other one', async () => {
  await using opened = await openContextWithInstance()
  const { context } = opened
  const contents = await openContentStore(context)
  await contents.keepBytes(Buffer.from('on the books'))
  const refusing = await openContentStore({
    ...context,
    store: { ...context.store, write: refuse },
  })
  await expect(refusing.keepBytes(Buffer.from('not on them'))).rejects.toThrow('full')
  const list = async () => await readdir(join(context.config.stateDirectory, 'contents'))
  expect(await list()).toHaveLength(2)
  await openContentStore(context)
  expect(await list()).toHaveLength(1)
})
