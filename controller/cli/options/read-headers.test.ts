import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readHeaders } from './read-headers.ts'

describe('header lines', () => {
  test('are names and values, in their order', async () => {
    expect(await readHeaders(['Accept: text/plain', 'X-Empty:', 'X-Colons:a:b'])).toEqual([
      ['Accept', 'text/plain'],
      ['X-Empty', ''],
      ['X-Colons', 'a:b'],
    ])
  })

  test('may stand in a file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'headers-'))
    const path = join(directory, 'headers')
    await writeFile(path, 'Authorization: Bearer x\r\n\nX-Two: 2\n')
    expect(await readHeaders([`@${path}`])).toEqual([
      ['Authorization', 'Bearer x'],
      ['X-Two', '2'],
    ])
    await rm(directory, { recursive: true })
  })

  test.for(['Authorization secret', ': x', 'A B: secret', 'A: b\r\nC: secret'])(
    'are refused without being quoted: %j',
    async (text) => {
      await expect(readHeaders([text])).rejects.toThrow(/^--header: is no header; write/)
    },
  )
})
