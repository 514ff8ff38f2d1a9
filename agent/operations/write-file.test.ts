import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeOnce } from './write-file.ts'

let place: string
beforeEach(() => {
  place = realpathSync(mkdtempSync(join(tmpdir(), 'sahara-write-')))
})
afterEach(() => {
  rmSync(place, { recursive: true, force: true })
})

test.for([
  ['a FIFO', (path: string) => execFileSync('/usr/bin/mkfifo', [path])],
  ['another file', (path: string) => writeFileSync(path, 'another')],
] as const)(
  'a file that becomes %s while it is written is not waited for, nor read',
  async ([, replace]) => {
    const path = join(place, 'file')
    writeFileSync(path, 'old')
    async function* content() {
      // What is there comes after it.
      yield Buffer.from('new')
      rmSync(path)
      writeFileSync(join(place, 'keeps-the-inode'), '')
      replace(path)
    }
    const request = { commandId: randomUUID(), path, mode: null, owner: null }
    const written = writeOnce({ ...request, placement: 'prepend' }, content(), {
      journal: { staged: null, record: async () => {} },
      allow: async () => {},
      signal: AbortSignal.timeout(30_000),
    })
    await expect(written).rejects.toMatchObject({ reason: { code: 'path-changed' } })
    expect(readdirSync(place).toSorted()).toEqual(['file', 'keeps-the-inode'])
  },
)
