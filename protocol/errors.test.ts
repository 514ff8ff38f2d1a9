import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { errorCodes } from './errors.ts'

describe('the error codes', () => {
  test('are those that docs/errors.md explains, in the same order', async () => {
    const page = await readFile(new URL('../docs/errors.md', import.meta.url), 'utf8')
    const explained = [...page.matchAll(/^\| `(ERR_[A-Z_]+)` \|/gm)].map(([, code]) => code)
    expect(explained).toEqual([...errorCodes])
  })

  test('stand in alphabetical order, each once', () => {
    expect([...errorCodes]).toEqual([...new Set(errorCodes)].toSorted())
  })
})
