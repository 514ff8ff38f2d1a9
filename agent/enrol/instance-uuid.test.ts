import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isSameInstance, readInstanceUuids } from './instance-uuid.ts'

let root = ''
beforeEach(async () => {
  root = `${await mkdtemp(join(tmpdir(), 'root-'))}/`
})
afterEach(async () => rm(root, { recursive: true, force: true }))

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

describe('the UUID of an instance', () => {
  test('is read from each source, the most trusted first', async () => {
    await put('etc/machine-id', '0123456789abcdef0123456789abcdef\n')
    await put('sys/class/dmi/id/product_uuid', 'AAAA-1\n')
    await put('var/lib/cloud/data/instance-id', 'bbbb-2\n')
    await put('run/cloud-init/instance-data.json', '{"v1": {"instance_id": "cccc-3"}}')
    const readings = await readInstanceUuids('dddd-4', root)
    expect(readings.map(({ source }) => source)).toEqual([
      'config',
      'cloud-init-instance-data',
      'cloud-init-instance-id',
      'firmware',
      'machine-id',
    ])
    expect(readings.slice(0, 4).map(({ uuid }) => uuid)).toEqual([
      'dddd-4',
      'cccc-3',
      'bbbb-2',
      'aaaa-1',
    ])
    expect(readings.at(-1)?.uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(readings.at(-1)?.uuid).not.toContain('01234567')
  })

  test('is not what a source says that knows nothing', async () => {
    await put('sys/class/dmi/id/product_uuid', '00000000-0000-0000-0000-000000000000\n')
    await put('run/cloud-init/instance-data.json', 'not JSON')
    await put('var/lib/cloud/data/instance-id', '\u212A-1\n')
    expect(await readInstanceUuids(undefined, root)).toEqual([])
  })
})

describe('an identity belongs to the machine', () => {
  const known = { source: 'firmware', uuid: 'a' } as const

  test.for([
    ['its own source says the same', [{ source: 'firmware', uuid: 'a' }], true],
    ['its own source says another', [{ source: 'firmware', uuid: 'b' }], false],
    [
      'a better source says another, but its own the same',
      [
        { source: 'cloud-init-instance-data', uuid: 'i-1' },
        { source: 'firmware', uuid: 'a' },
      ],
      true,
    ],
    [
      'its own source is silent, and another agrees',
      [{ source: 'cloud-init-instance-id', uuid: 'a' }],
      true,
    ],
    [
      'the configuration names it, and its own source another',
      [
        { source: 'config', uuid: 'a' },
        { source: 'firmware', uuid: 'b' },
      ],
      true,
    ],
    [
      'the configuration names another, and its own source it',
      [
        { source: 'config', uuid: 'b' },
        { source: 'firmware', uuid: 'a' },
      ],
      false,
    ],
    ['nothing agrees', [{ source: 'machine-id', uuid: 'c' }], false],
  ] as const)('when %s: %o %s', ([, readings, isSame]) => {
    expect(isSameInstance(known, readings)).toBe(isSame)
  })
})
