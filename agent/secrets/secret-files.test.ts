import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { CommandSpec } from '../runner/command-spec.ts'
import {
  collect,
  createRunnerBench,
  firstLine,
  kill,
  type RunnerBench,
  sha256,
  textOf,
  textOfChunks,
} from '../runner/fixtures/runner-bench.ts'
import { hasMemory } from './fixtures/has-memory.ts'
import { findSecretsHome, secretsHomes } from './secret-files.ts'

vi.setConfig({ testTimeout: 120_000 })

const isRoot = process.geteuid?.() === 0
const secret = 'correct horse\nbattery staple\n'

let bench: RunnerBench
beforeEach(() => {
  bench = createRunnerBench()
})
afterEach(async () => {
  await bench[Symbol.asyncDispose]()
  expect(secretsHomes(bench.state).filter((home) => existsSync(home))).toEqual([])
})

function withSecret(script: string, via: 'file' | 'fd', over: Partial<CommandSpec> = {}) {
  const home = findSecretsHome(bench.state) ?? ''
  const value = Uint8Array.from(Buffer.from(secret))
  const secrets = { home, values: [{ name: 'db-password', value, via }] }
  return bench.aSpec(script, { secrets, ...over })
}

const users = [null, ...(isRoot ? ['nobody'] : [])]
const ways = users.flatMap((user) => (['file', 'fd'] as const).map((via) => [via, user] as const))

describe.runIf(hasMemory)('a secret', () => {
  test.for(ways)('reaches the program by a %s as %s, and its output redacted', async (way) => {
    const [via, user] = way
    const script = [
      'test "$(sha256sum < "$DB_PASSWORD_FILE" | cut -c1-64)" = "$EXPECTED" && echo right',
      'cat "$DB_PASSWORD_FILE"',
      'base64 "$DB_PASSWORD_FILE" >&2',
    ].join('; ')
    const spec = withSecret(script, via, { user, env: { EXPECTED: sha256(secret) } })
    const running = await bench.client.begin(spec)
    const chunks = await collect(running)
    const result = await running.ended
    const textOn = (name: string) => textOfChunks(chunks.filter(({ stream }) => stream === name))
    expect(textOn('stdout')).toBe('right\n***')
    expect(textOn('stderr')).toMatch(/^\*\*\*.{0,4}\n$/)
    expect(result.streams['stdout']).toEqual({
      size: 9,
      sha256: sha256('right\n***'),
      droppedBytes: 0,
    })
  })

  test.runIf(isRoot)(
    'is a file that another user cannot read, in a directory that nobody can list',
    async () => {
      const script = 'echo "$DB_PASSWORD_FILE"; stat -c "%a %U" "$DB_PASSWORD_FILE"; read wait'
      const spec = withSecret(script, 'file', { user: 'nobody', stdin: { kind: 'open' } })
      const running = await bench.client.begin(spec)
      const path = await firstLine(running)
      expect(path.split('\n')[0]).toMatch(
        /^\/(run|dev\/shm)\/sahara-agent-[0-9a-f]{16}\/.*\/db-password$/,
      )
      const other = bench.aSpec(
        `cat ${path.split('\n')[0]}; ls ${join(path.split('\n')[0] ?? '', '../..')}`,
        {
          user: 'daemon',
        },
      )
      const denied = await bench.client.begin(other)
      expect(await textOf(denied)).toMatch(/Permission denied[\s\S]*Permission denied/)
      await running.feedStdin(0, Buffer.from('go\n'), true)
      expect((await running.ended).state).toBe('succeeded')
      expect(await textOf(running)).toContain('400 nobody')
    },
  )

  test('is on a terminal redacted line by line, and a prompt that ends like it begins is shown', async () => {
    const script = 'printf "password, c"; read answer; cat "$DB_PASSWORD_FILE"'
    const spec = withSecret(script, 'file', { pty: true, stdin: { kind: 'open' } })
    const running = await bench.client.begin(spec)
    let text = ''
    for await (const { bytes } of running.output(0, new AbortController().signal)) {
      text += Buffer.from(bytes).toString()
      if (text === 'password, c') await running.feedStdin(0, Buffer.from('\n'), true)
    }
    expect(text).toMatch(/^password, c\s*\*\*\*\s*$/)
  })

  test('stands in no list of processes, and in no file of the state directory', async () => {
    const spec = withSecret('echo begun; read wait', 'file', { stdin: { kind: 'open' } })
    const running = await bench.client.begin(spec)
    await firstLine(running)
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      for (const file of ['cmdline', 'environ']) {
        expect(readIfThere(join('/proc', pid, file))).not.toContain('battery staple')
      }
    }
    const files = readdirSync(bench.state, { recursive: true, withFileTypes: true })
    for (const file of files.filter((entry) => entry.isFile())) {
      expect(readIfThere(join(file.parentPath, file.name))).not.toContain('battery staple')
    }
    await running.feedStdin(0, Buffer.from('go\n'), true)
    await running.ended
  })

  test('is gone when the program could not be started', async () => {
    const argv = { kind: 'argv' as const, argv: ['/no/such/program'] }
    const running = await bench.client.begin(withSecret('', 'file', { run: argv }))
    expect((await running.ended).reason?.code).toBe('no-such-program')
  })

  test('is gone when its runner was killed, and the command was found interrupted', async () => {
    const spec = withSecret('echo "$DB_PASSWORD_FILE"; sleep 300', 'file')
    const running = await bench.client.begin(spec)
    const path = await firstLine(running)
    expect(statSync(path).size).toBe(secret.length)
    kill(bench.keeperOf(spec))
    expect((await running.ended).state).toBe('interrupted')
    expect(existsSync(path)).toBe(false)
  })
})

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
