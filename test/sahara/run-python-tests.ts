import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { pythonPath } from './install-driver.ts'

const testDirectory = fileURLToPath(new URL('python', import.meta.url))

/**
 * Runs one module of Python tests under Debian's Python, where Sahara is.
 *
 * @throws with what the tests wrote, when one of them fails or none has run.
 */
export async function runPythonTests(
  module: string,
  driver: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
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
  if (ran.exitCode !== 0 || !/^Ran [1-9]/m.test(ran.all)) {
    throw new Error(`${join(testDirectory, module)}.py: exit code ${ran.exitCode}\n${ran.all}`)
  }
}
