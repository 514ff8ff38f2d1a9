import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigInvalidError } from '../protocol/errors.ts'
import { readBootId } from './read-boot-id.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boot-id-'))
})
afterAll(async () => rm(directory, { recursive: true }))

describe('the id of this boot', () => {
  test('is what the file says, without its line end', async () => {
    const path = join(directory, 'boot_id')
    await writeFile(path, 'b708403b\n')
    expect(await readBootId(path)).toBe('b708403b')
  })

  test('must be there, or a reboot could not be told from a restart', async () => {
    await expect(readBootId(join(directory, 'missing'))).rejects.toThrow(ConfigInvalidError)
    const empty = join(directory, 'empty')
    await writeFile(empty, '\n')
    await expect(readBootId(empty)).rejects.toThrow(/bootIdPath: .* is empty/)
  })
})
