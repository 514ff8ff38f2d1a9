import { execFile } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ControllerRefusedError } from '../../controller/cli/errors.ts'
import { queueAsProcess } from '../system/queue-under-test.ts'
import { startCluster, type TestCluster } from '../system/start-cluster.ts'

const run = promisify(execFile)

// Only root can mount a disk that is small enough to fill.
test.skipIf(process.getuid?.() !== 0)(
  'a disk that is full under controller, queue and agent costs refusals, and no command that was taken on',
  async () => {
    await using disk = await mountSmallDisk(96)
    await using cluster = await startCluster({
      openQueue: queueAsProcess,
      agent: { limits: { reserveBytes: 4 * 2 ** 20 } },
    })
    expect(await runOnce(cluster)).toBe('succeeded')
    const slow = await begin(cluster, 'sleep 2; echo late')
    const room = await disk.fill()
    const refusals: ControllerRefusedError[] = []
    const taken: string[] = []
    for (let attempt = 0; attempt < 200 && refusals.length < 5; attempt += 1) {
      try {
        taken.push(await begin(cluster, `echo ${'x'.repeat(20_000)}`))
      } catch (error) {
        if (!(error instanceof ControllerRefusedError)) throw error
        refusals.push(error)
      }
    }
    expect(refusals).toHaveLength(5)
    for (const { problemCode, status } of refusals) {
      expect([problemCode, status]).toEqual(['ERR_STORE_WRITE', 507])
    }
    await room()
    expect(await endOf(cluster, slow)).toMatch(/^(succeeded|failed)$/)
    for (const id of taken) {
      expect(await endOf(cluster, id)).toMatch(/^(succeeded|refused|failed)$/)
    }
    expect(await runOnce(cluster)).toBe('succeeded')
  },
  120_000,
)

/** A disk of its own for everything that a test makes below the temporary directory. */
async function mountSmallDisk(megabytes: number) {
  const usual = process.env['TMPDIR']
  const path = await mkdtemp(join(tmpdir(), 'small-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'sahara-agent-test', path])
  process.env['TMPDIR'] = path
  const ballast = join(path, 'ballast')
  return {
    /** Takes what room is left; the returned function gives it back. */
    fill: async () => {
      const { bavail, bsize } = await statfs(path)
      await writeFile(ballast, Buffer.alloc(bavail * bsize)).catch(() => undefined)
      return async () => rm(ballast)
    },
    [Symbol.asyncDispose]: async () => {
      if (usual === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = usual
      await run('umount', ['--lazy', path])
      await rm(path, { recursive: true })
    },
  }
}

async function begin({ api }: TestCluster, script: string): Promise<string> {
  const operation = { name: 'exec' as const, argv: ['sh', '-c', script] }
  const target = { cluster: 'test', instance: 'worker-1' }
  const [command] = (await api.postCommand(target, { operation })).value
  if (!command) throw new Error('no command was made')
  return command.id
}

async function endOf({ api }: TestCluster, id: string): Promise<string> {
  for (;;) {
    const { value } = await api.getCommand(id, { wait: true })
    if (value.ended) return value.state
  }
}

async function runOnce(cluster: TestCluster): Promise<string> {
  return await endOf(cluster, await begin(cluster, 'true'))
}
