import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { pythonPath } from './install-driver.ts'

const testDirectory = fileURLToPath(new URL('python', import.meta.url))

/**
 * Runs one module of Python tests under Debian's Python, where Sahara is.
 *
 * @returns why the module skipped all of its tests; undefined when they ran, and succeeded.
 * @throws with what the tests wrote, when one of them fails or there are none.
 */
export async function runPythonTests(
  module: string,
  driver: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const ran = await execa(pythonPath, ['-m', 'unittest', '--verbose', module], {
    cwd: testDirectory,
    all: true,
    reject: false,
    env: {
      ...environment,
      PYTHONPATH: [driver, testDirectory].join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONWARNINGS: 'ignore',
    },
  })
  const count = (pattern: RegExp): number => Number(pattern.exec(ran.all)?.[1] ?? 0)
  const skipped = count(/skipped=(\d+)/)
  // A module that skips itself counts as one, and has then run none.
  if (ran.exitCode === 0 && skipped > 0 && skipped >= count(/^Ran (\d+)/m)) {
    return /skipped ['"](.*)['"]$/m.exec(ran.all)?.[1] ?? 'it did not say why'
  }
  if (ran.exitCode !== 0 || count(/^Ran (\d+)/m) === 0) {
    throw new Error(`${join(testDirectory, module)}.py: exit code ${ran.exitCode}\n${ran.all}`)
  }
  return undefined
}
