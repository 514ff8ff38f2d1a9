import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
})
