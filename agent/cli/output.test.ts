import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const main = join(import.meta.dirname, '..', 'main.ts')

test.for([
  [['policy', 'init']],
  [['policy', 'show', '--config', '/dev/null', '--json']],
  [['doctor', '--config', '/dev/null', '--bootstrap', '/nowhere', '--state-directory', '/nowhere']],
] as const)('%j ends quietly when nobody reads its output', async ([words]) => {
  const child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  // Closed before it can have written: Node has not started yet.
  child.stdout.destroy()
  const exited = once(child, 'exit')
  expect(await text(child.stderr)).toBe('')
  expect(await exited).toEqual([141, null])
})
