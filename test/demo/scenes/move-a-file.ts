import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Show } from '../show.ts'
import { expectThat } from '../stage.ts'

const sizeBytes = 3_000_000

/** A file goes to an instance, and comes back the same. */
export async function moveAFile({ stage, system, guests }: Show): Promise<void> {
  stage.scene('A file there and back')
  const [sent, returned] = [
    join(system.directory, 'sent.bin'),
    join(system.directory, 'returned.bin'),
  ]
  const remote = join(guests[0]?.root ?? '', 'received.bin')
  await writeFile(sent, randomBytes(sizeBytes))
  stage.typed('sahara-controller put sent.bin demo/worker-1:…/received.bin')
  const put = await system.cli(['put', sent, `demo/worker-1:${remote}`])
  expectThat(put.exitCode === 0, 'the file is put', put)
  stage.typed('sahara-controller get demo/worker-1:…/received.bin returned.bin')
  const got = await system.cli(['get', `demo/worker-1:${remote}`, returned])
  expectThat(got.exitCode === 0, 'the file is got', got)
  const digests = await Promise.all([sent, remote, returned].map(digestOf))
  expectThat(new Set(digests).size === 1, 'all three digests are equal', digests)
  stage.shown(`3 MB, SHA-256 ${digests[0]?.slice(0, 16)}… on all three: sent, received, returned`)
}

async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}
