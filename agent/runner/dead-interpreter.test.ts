import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRunnerBench, textOf } from './fixtures/runner-bench.ts'

/**
 * A mount whose server says nothing: a FUSE connection that nobody reads. Undefined where none may be made. Disposing of it
 * wakes whoever waits for it.
 */
function mountDead(at: string): Disposable | undefined {
  mkdirSync(at)
  let connection: number | undefined
  try {
    connection = openSync('/dev/fuse', 'r+')
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other'
    const stdio = ['ignore', 'ignore', 'ignore', connection] as const
    execFileSync('mount', ['-i', '-t', 'fuse', '-o', options, 'dead', at], { stdio: [...stdio] })
  } catch {
    if (connection !== undefined) closeSync(connection)
    return undefined
  }
  const opened = connection
  return {
    [Symbol.dispose]: () => {
      closeSync(opened)
      execFileSync('umount', ['--lazy', at])
    },
  }
}

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
