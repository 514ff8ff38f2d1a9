import { chmod, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'

const main = join(import.meta.dirname, '..', 'main.ts')

test('sahara-agent policy explain says where the options of a program go', async () => {
  const words = [main, 'policy', 'explain', 'rm', '-rf', '/']
  const { exitCode, stderr } = await execa(process.execPath, words, { reject: false })
  expect(exitCode).toBe(2)
  expect(stderr).toBe("error: unknown option '-rf'; the words of a program go behind `--`")
})

test('policy check says what holds where there is no policy', async () => {
  const words = [main, 'policy', 'check', '/nowhere/policy.yaml']
  const { exitCode, stderr } = await execa(process.execPath, words, { reject: false })
  expect(exitCode).toBe(1)
  expect(stderr).toContain('the preset "sahara" holds')
})

test.for([
  ['a policy', 'version: 1\npreset: sahara\n', 0o600, 0, { preset: 'sahara', rules: 0 }],
  [
    'a list',
    'version: 1\nrules:\n  - 7\n',
    0o600,
    1,
    { problems: [{ line: 3, column: 5, message: expect.stringContaining('rules') }] },
  ],
  [
    'a file that others may write',
    'version: 1\n',
    0o666,
    1,
    { problems: [{ message: 'others may write it; chmod go-w it' }] },
  ],
] as const)('policy check --json tells of %s', async ([, text, mode, exitCode, answer]) => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'policy-'))
  const path = join(directory.path, 'policy.yaml')
  await writeFile(path, text)
  await chmod(path, mode)
  const words = [main, 'policy', 'check', '--json', path]
  const checked = await execa(process.execPath, words, { reject: false })
  expect(checked.exitCode).toBe(exitCode)
  expect(JSON.parse(checked.stdout)).toMatchObject({ path, valid: exitCode === 0, ...answer })
  if (exitCode === 1) expect(checked.stderr).toContain('(ERR_POLICY_INVALID)')
})
