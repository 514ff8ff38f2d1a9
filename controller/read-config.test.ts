import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readControllerConfig } from './read-config.ts'

const stateDirectory = '/nowhere'
const embedded = { queue: { embedded: {} } }

describe('a configuration', () => {
  test('is complete with a queue alone', async () => {
    const config = await readControllerConfig({ stateDirectory, overrides: embedded })
    expect(config).toMatchObject({
      stateDirectory,
      signedUrlLifeSeconds: 86_400,
      lostMarginSeconds: 60,
      queue: { auth: 'token', embedded: { host: '127.0.0.1', port: 8888 } },
    })
  })

  test.for([
    ['a misspelt key', { ...embedded, heartbeatSecond: 5 }, '`heartbeatSecond` is no key of it'],
    ['a misspelt key inside', { queue: { embeded: {} } }, '`queue.embeded` is no key of it'],
    ['nothing', {}, '`queue` names no queue service; serve one'],
    ['no queue', { queue: {} }, '`sahara-controller serve --embedded-queue`'],
    ['a queue without its scheme', { queue: { url: 'q:1' } }, '`queue.url` must be a URL with'],
    ['a port without its token', { ...embedded, listen: { port: 1 } }, 'by `--token-file FILE`'],
    ['a token without its port', { ...embedded, listen: { tokenFile: '/t' } }, 'by `--listen 127'],
    ['a queue without its token', { queue: { url: 'http://q' } }, '`queue.tokenFile` is missing'],
    [
      'a gateway before a queue that waits by itself',
      { queue: { embedded: {}, gateway: { url: 'http://g', notifyUrls: ['http://n'] } } },
      '`queue.gateway`',
    ],
    [
      'a wrong type',
      { ...embedded, heartbeatSeconds: 'often' },
      '`heartbeatSeconds` must be a number',
    ],
    [
      'too little',
      { ...embedded, heartbeatSeconds: 0 },
      '`heartbeatSeconds` must be at least 1 second',
    ],
    ['an unknown word', { ...embedded, logLevel: 'loud' }, '`logLevel` must be one of debug, info'],
    ['a key without a value', { queue: null }, '`queue` must be a mapping of keys to values'],
    [
      'a token that would cross a network readable',
      { ...embedded, listen: { host: '0.0.0.0', port: 1, tokenFile: '/t' } },
      '`listen.host` is not loopback',
    ],
  ] as const)('with %s is refused, and the key named', async ([, overrides, problem]) => {
    const reading = readControllerConfig({ stateDirectory, overrides })
    await expect(reading).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining(problem),
    })
  })
})

describe('a configuration file', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sahara-config-'))
  })
  afterEach(async () => await rm(directory, { recursive: true }))

  test('is YAML, and gives way to what the command line says', async () => {
    const file = join(directory, 'controller.yaml')
    await writeFile(file, 'queue:\n  projectId: p1\n  embedded: {port: 1}\nheartbeatSeconds: 5\n')
    const overrides = { queue: { embedded: { port: 2 } }, logLevel: undefined }
    expect(await readControllerConfig({ file, stateDirectory, overrides })).toMatchObject({
      heartbeatSeconds: 5,
      queue: { projectId: 'p1', embedded: { port: 2 } },
    })
  })

  test('that is broken is named', async () => {
    const file = join(directory, 'broken.yaml')
    await writeFile(file, 'queue: [')
    await expect(readControllerConfig({ file, stateDirectory })).rejects.toThrow(file)
  })
})
