import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AgentConfig } from './config.ts'
import { readAgentConfig } from './read-config.ts'

let file = ''
beforeEach(async () => {
  file = join(await mkdtemp(join(tmpdir(), 'config-')), 'agent.yaml')
})
afterEach(async () => rm(join(file, '..'), { recursive: true, force: true }))

describe('the configuration', () => {
  test.for([
    ['YAML', 'poll:\n  waitSeconds: 5\nlogLevel: warn\n'],
    ['JSON', '{"poll": {"waitSeconds": 5}, "logLevel": "warn"}'],
  ] as const)('may be %s, and the command line wins over it', async ([, text]) => {
    await writeFile(file, text)
    const config = await readAgentConfig(file, { stateDirectory: '/tmp/elsewhere' })
    const defaults = AgentConfig.parse({})
    expect(config).toEqual({
      ...defaults,
      configPath: file,
      poll: { ...defaults.poll, waitSeconds: 5 },
      logLevel: 'warn',
      stateDirectory: '/tmp/elsewhere',
    })
  })

  test.for([
    ['poll: {waitSecond: 5}', '`poll.waitSecond` is no key of it'],
    ['stateDir: /tmp', '`stateDir` is no key of it'],
    ['poll: {waitSeconds: never}', '`poll.waitSeconds` must be a number'],
    ['lanes: [', 'not YAML'],
  ] as const)('%s is refused by naming file and key', async ([text, problem]) => {
    await writeFile(file, text)
    await expect(readAgentConfig(file)).rejects.toThrow(problem)
    await expect(readAgentConfig(file)).rejects.toThrow(file)
    await expect(readAgentConfig(file)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' })
  })

  test('must exist when it was named', async () => {
    await expect(readAgentConfig(file)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' })
  })
})
