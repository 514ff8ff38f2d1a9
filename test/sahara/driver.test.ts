import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { installDriver } from './install-driver.ts'
import { missingSaharaPackages } from './missing-packages.ts'
import { runPythonTests } from './run-python-tests.ts'

const missing = missingSaharaPackages()

describe.skipIf(missing.length > 0)(`the remote driver${reason(missing)}`, () => {
  let directory: string
  let driver: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sahara-driver-'))
    driver = await installDriver(directory)
  })
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  test('keeps its promises while the controller and time are not kind', async () => {
    await runPythonTests('test_with_fake_controller', driver)
  })

  test('makes user-data that a cluster keeps, and retires what Sahara takes away', async () => {
    await runPythonTests('test_clusters', driver)
  })

  test('is loaded by name by the stock sahara-engine', async () => {
    await runPythonTests('test_stock_engine', driver)
  })
})

function reason(packages: readonly string[]): string {
  return packages.length > 0 ? ` (skipped: install ${packages.join(', ')})` : ''
}
