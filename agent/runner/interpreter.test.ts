import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseInterpreter, readHead } from './interpreter.ts'

describe('the interpreter of a script', () => {
  test.for([
    ['#!/bin/sh\necho', '/bin/sh'],
    ['#! \t/usr/bin/env  python3\n', '/usr/bin/env'],
    ['#!/bin/sh', '/bin/sh'],
    ['#!run\n', 'run'],
    ['#!/opt/schön/sh -e\n', '/opt/schön/sh'],
    ['#!\n/bin/sh', undefined],
    [`#!/${'x'.repeat(254)}`, undefined],
    [' #!/bin/sh', undefined],
    ['\x7fELF', undefined],
    ['', undefined],
  ] as const)('is what the kernel takes of its first line: %j', ([text, interpreter]) => {
    expect(parseInterpreter(Buffer.from(text).subarray(0, 256))).toBe(interpreter)
  })
})

test('of a file the first bytes are read, of a folder, a device or nothing none', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sahara-interpreter-'))
  try {
    const path = join(directory, 'script')
    await writeFile(path, `#!/bin/sh\n${'#'.repeat(1000)}`)
    expect((await readHead(path))?.length).toBe(256)
    for (const other of [directory, '/dev/zero', join(directory, 'nothing')]) {
      expect(await readHead(other)).toBeUndefined()
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})
