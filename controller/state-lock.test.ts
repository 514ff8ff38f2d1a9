import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lockState } from './state-lock.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sahara-lock-'))
})
afterEach(async () => await rm(directory, { recursive: true }))

describe('a state directory', () => {
  test('is used by one controller at a time', async () => {
    {
      using _ = await lockState(directory)
      await expect(lockState(directory)).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' })
    }
    using _ = await lockState(directory)
  })

  test('is made with those above it, for its owner alone', async () => {
    const deep = join(directory, 'a', 'b')
    using _ = await lockState(deep)
    for (const made of [join(directory, 'a'), deep]) {
      expect((await stat(made)).mode & 0o777).toBe(0o700)
    }
  })

  test.for([
    ['where nothing can be made', '/proc/foo/bar'],
    ['below a file', 'file/state'],
    ['that is a file', 'file'],
  ] as const)('%s is refused at once', async ([, place]) => {
    await writeFile(join(directory, 'file'), '')
    const path = resolve(directory, place)
    await expect(lockState(path)).rejects.toMatchObject({
      code: 'ERR_STORE_UNUSABLE',
      message: expect.stringContaining(`the state directory ${path} cannot be used: E`),
    })
  })
})
