import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

/** Debian's Python, whose Sahara it is; another one may come first on PATH. */
export const pythonPath = '/usr/bin/python3'

/**
 * Installs the driver as an operator does, with pip, into a directory of the test's own.
 * From a copy, because setuptools builds inside the source tree.
 *
 * @returns what PYTHONPATH must hold.
 */
export async function installDriver(directory: string): Promise<string> {
  const source = join(directory, 'driver-source')
  const target = join(directory, 'driver')
  await mkdir(directory, { recursive: true })
  await cp(fileURLToPath(new URL('../../controller/sahara', import.meta.url)), source, {
    recursive: true,
  })
  const offline = ['--no-deps', '--no-index', '--no-build-isolation', '--quiet']
  await execa(pythonPath, ['-m', 'pip', 'install', ...offline, '--target', target, source], {
    env: { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_ROOT_USER_ACTION: 'ignore' },
  })
  return target
}
