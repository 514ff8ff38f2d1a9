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
