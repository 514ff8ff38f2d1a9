import { describe, expect, test } from 'vitest'
import { rewriteEntryUrls } from './entry-urls.ts'

describe('a module on its way into the bundle', () => {
  test('names each program that it starts by its place in the bundle', () => {
    const code = "spawn(fileURLToPath(new URL('../runner/main.ts', import.meta.url)))"
    expect(rewriteEntryUrls(code, '/p/agent/operations/exec.ts', '/p')).toEqual({
      code: "spawn(fileURLToPath(new URL('agent-runner-main.js', import.meta.url)))",
      entries: [{ file: '/p/agent/runner/main.ts', name: 'agent-runner-main' }],
    })
  })

  test('tells programs of the same name apart by their folders', () => {
    const code = 'new URL("main.ts", import.meta.url); new URL(`../b/main.ts`, import.meta.url)'
    expect(rewriteEntryUrls(code, '/p/a/x.ts', '/p')?.entries.map(({ name }) => name)).toEqual([
      'a-main',
      'b-main',
    ])
  })

  test.for(["new URL('http://x/')", "new URL('x.json', import.meta.url)", 'const a = 1'])(
    'stays as it is when it starts none: %s',
    (code) => {
      expect(rewriteEntryUrls(code, '/p/a.ts', '/p')).toBeNull()
    },
  )
})
