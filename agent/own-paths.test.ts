import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WriteOperation } from '../protocol/messages/operations.ts'
import { ownPaths } from './own-paths.ts'
import { compilePolicy } from './policy/compile-policy.ts'
import { decide } from './policy/decide.ts'
import { examineCommand, resolvePath } from './policy/examine-command.ts'
import { PolicyFile } from './policy/policy-file.ts'
import { readAgentConfig } from './read-config.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-'))
  await writeFile(join(folder, 'mine.yaml'), 'logLevel: warn')
})
afterEach(async () => rm(folder, { recursive: true, force: true }))

test.for([
  'mine.yaml',
  '/etc/sahara-agent/agent.yaml',
  '/etc/sahara-agent/policy.yaml',
  '/var/lib/sahara-agent/identity.json',
  '/var/cache/sahara-agent/v26/code',
  '/usr/lib/sahara-agent/agent-main.js',
  '/usr/bin/sahara-agent',
  '/usr/lib/systemd/system/sahara-agent.service',
  '/etc/systemd/system/sahara-agent.service',
  '/etc/systemd/system/sahara-agent.service.d/more.conf',
])('an agent’s own file %s is written under no policy', async (name) => {
  const config = await readAgentConfig(join(folder, 'mine.yaml'))
  const file = PolicyFile.parse({ version: 1, preset: 'sahara' })
  const policy = compilePolicy(file, { ownPaths: ownPaths(config), resolvePath })
  const path = name.startsWith('/') ? name : join(folder, name)
  const operation = WriteOperation.parse({ name: 'write', path })
  const question = await examineCommand(operation, { timeoutSeconds: 1 }, policy)
  expect(decide(policy, question)).toMatchObject({ allowed: false, rule: 'built-in/own-files' })
})
