import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readBootstrap } from './enrol/read-bootstrap.ts'
import { closeToOthers } from './private-files.ts'

const isRoot = process.geteuid?.() === 0
const nobody = 65_534

async function aFile(mode: number, text = 'secret'): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'private-files-'))
  onTestFinished(async () => rm(directory, { recursive: true }))
  const path = join(directory, 'file')
  await writeFile(path, text)
  await chmod(path, mode)
  return path
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

describe('a file of secrets', () => {
  test.for([0o600, 0o640, 0o644, 0o666])(
    'with mode %o is closed to others, and it is said if it was not',
    async (mode) => {
      const path = await aFile(mode)
      const told: unknown[] = []
      await closeToOthers([path, `${path}.missing`], { warn: (fields) => told.push(fields) })
      expect(await modeOf(path)).toBe(0o600)
      expect(told).toHaveLength(mode === 0o600 ? 0 : 1)
    },
  )

  test.skipIf(!isRoot)('of another user keeps the agent from starting', async () => {
    const path = await aFile(0o600)
    await chown(path, nobody, nobody)
    const closing = closeToOthers([path], { warn: () => undefined })
    await expect(closing).rejects.toThrow('belongs to user 65534')
  })
})

describe('a bootstrap file', () => {
  test('that everybody may write says nothing of whom to trust', async () => {
    const path = await aFile(0o666, '{}')
    const reading = await readBootstrap(path)
    expect(reading).toEqual({ kind: 'unusable', why: expect.stringContaining('chmod') })
  })

  test.skipIf(!isRoot)('of another user says nothing of whom to trust', async () => {
    const path = await aFile(0o600, '{}')
    await chown(path, nobody, nobody)
    const reading = await readBootstrap(path)
    expect(reading).toEqual({ kind: 'unusable', why: expect.stringContaining('chown') })
  })
})
