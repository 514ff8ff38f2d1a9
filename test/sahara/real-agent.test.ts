import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, type TestContext, test } from 'vitest'
import { type System, startSystem } from '../system/start-system.ts'
import { installDriver } from './install-driver.ts'
import { missingSaharaPackages } from './missing-packages.ts'
import { runPythonTests } from './run-python-tests.ts'

const missing = missingSaharaPackages()
const reason = missing.length > 0 ? ` (skipped: install ${missing.join(', ')})` : ''

describe.skipIf(missing.length > 0)(`the driver, a controller and agents${reason}`, () => {
  let directory: string
  let driver: string
  let system: System

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sahara-agents-'))
    driver = await installDriver(directory)
    system = await startSystem(join(directory, 'system'))
  })
  afterAll(async () => {
    await system?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  const run = async (module: string, { skip }: TestContext): Promise<void> => {
    const shared = join(directory, module)
    await mkdir(shared, { mode: 0o755 })
    const skipped = await runPythonTests(module, driver, {
      CONTROLLER_SOCKET: system.socketPath,
      QUEUE_URL: system.queue.url,
      SHARED: shared,
      CHAMBER_NODE: process.execPath,
    })
    if (skipped !== undefined) skip(skipped)
  }

  test('do what the SSH driver does, and what it cannot', { timeout: 600_000 }, async (context) => {
    await run('test_against_agent', context)
  })

  test('take a cluster from nothing to Active, scale it, and delete it', {
    timeout: 600_000,
  }, async (context) => {
    await run('test_provisioning', context)
  })
})
