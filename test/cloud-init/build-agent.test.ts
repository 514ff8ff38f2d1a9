import { createHash } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** Two builds on a busy machine; one takes some 10 s on a quiet one. */
const patienceMs = 240_000

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'build-agent-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('npm run build:agent', () => {
  test('makes the same bytes twice, in other places and under another umask', {
    timeout: patienceMs,
  }, async ({ skip }) => {
    for (const program of ['dpkg-deb', 'strip'])
      skip(!(await isInstalled(program)), `no ${program}`)
    const first = await build('one', '022')
    const second = await build('two', '077')
    expect(second).toEqual(first)
    expect(Object.keys(first)).toHaveLength(2)
  })

  test('makes a program that runs without a Node beside it', { timeout: patienceMs }, async ({
    skip,
  }) => {
    const name = (await readdir(join(directory, 'one')).catch(() => [])).find((file) =>
      file.endsWith('.deb'),
    )
    skip(name === undefined, 'nothing was built')
    const tree = join(directory, 'tree')
    await execa('dpkg-deb', ['--extract', join(directory, 'one', name ?? ''), tree])
    const library = join(tree, 'usr/lib/sahara-agent')
    const agent = join(library, 'agent-main.js')
    const { stdout } = await execa(join(library, 'node'), [agent, '--version'], {
      env: { PATH: '/nonexistent' },
      extendEnv: false,
    })
    expect(stdout).toMatch(/^\d+\.\d+\.\d+$/)
    for (const started of ['agent-runner-main.js', 'agent-operations-as-user-main.js']) {
      expect(await readdir(library)).toContain(started)
    }
  })
})

/** Builds without compressing much, and returns the digest of each file that came out. */
async function build(name: string, umask: string): Promise<Record<string, string>> {
  const out = join(directory, name)
  const command = `umask ${umask}; exec "$0" cloud-init/build/main.ts --quick --out "$1"`
  const { stdout } = await execa('sh', ['-c', command, process.execPath, out], {
    env: { SOURCE_DATE_EPOCH: '1700000000' },
  })
  await chmod(out, 0o755)
  const digests = stdout.split('\n').map(async (file) => {
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
    return [file.slice(out.length + 1), digest] as const
  })
  return Object.fromEntries(await Promise.all(digests))
}

async function isInstalled(program: string): Promise<boolean> {
  const { failed } = await execa('sh', ['-c', `command -v ${program}`], { reject: false })
  return !failed
}
