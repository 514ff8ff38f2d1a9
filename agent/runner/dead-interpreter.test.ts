import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mountDead } from './fixtures/mount-dead.ts'
import { createRunnerBench, textOf } from './fixtures/runner-bench.ts'

test('a script whose interpreter lies on a dead mount fails, and the runner goes on', async ({
  skip,
}) => {
  await using bench = createRunnerBench()
  const mount = join(bench.state, 'dead')
  using dead = mountDead(mount)
  if (!dead) skip('no FUSE file system can be mounted here')
  const script = join(bench.state, 'script')
  writeFileSync(script, `#!${mount}/sh\n`)
  chmodSync(script, 0o755)
  const stuck = await bench.client.begin(bench.aSpec('', { run: { kind: 'argv', argv: [script] } }))
  const other = await bench.client.begin(bench.aSpec('echo goes on'))
  expect(await textOf(other)).toBe('goes on\n')
  expect(await stuck.ended).toMatchObject({
    state: 'failed',
    reason: { code: 'path-unresponsive', message: expect.stringContaining(`${mount}/sh`) },
  })
}, 60_000)
