import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeWorld } from '../../../test/fake-world.ts'
import { createPartFile } from './part-file.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'part-file-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('a file in the making', () => {
  test('appears whole, and keeps the mode of the one it replaces', async () => {
    const path = join(directory, 'a')
    await writeFile(path, 'old')
    await chmod(path, 0o640)
    await using part = await createPartFile(path, fakeWorld())
    await part.write(Buffer.from('ne'))
    await part.write(Buffer.from('w'))
    expect(await readFile(path, 'utf8')).toBe('old')
    await part.keep()
    expect(await readFile(path, 'utf8')).toBe('new')
    expect((await stat(path)).mode & 0o777).toBe(0o640)
    expect(await readdir(directory)).toEqual(['a'])
  })

  test('leaves no trace when it is given up', async () => {
    {
      await using part = await createPartFile(join(directory, 'a'), fakeWorld())
      await part.write(Buffer.from('half'))
    }
    expect(await readdir(directory)).toEqual([])
  })

  test('names the place, not the draft, when that cannot be written', async () => {
    const path = join(directory, 'missing', 'a')
    await expect(createPartFile(path, fakeWorld())).rejects.toThrow(`cannot write ${path}: ENOENT`)
  })
})
