import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findController } from './controller-address.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'controller-address-'))
})
afterEach(() => rm(directory, { recursive: true }))

const root = { env: {}, isRoot: true }
const json = false

describe('the controller', () => {
  test('is at its default socket unless somebody says otherwise', async () => {
    expect(await findController({ json }, root)).toEqual({
      kind: 'socket',
      socketPath: '/var/lib/sahara-controller/controller.sock',
    })
    const person = { env: { XDG_STATE_HOME: '/home/p/.state' }, isRoot: false }
    expect(await findController({ json }, person)).toEqual({
      kind: 'socket',
      socketPath: '/home/p/.state/sahara-controller/controller.sock',
    })
  })

  test('is where the command line says, whatever the environment says', async () => {
    const env = { SAHARA_CONTROLLER_URL: 'https://env:1' }
    expect(await findController({ json, socket: '/s' }, { env, isRoot: false })).toEqual({
      kind: 'socket',
      socketPath: '/s',
    })
  })

  test('gets the token of a private file', async () => {
    const tokenFile = join(directory, 'token')
    await writeFile(tokenFile, 'secret\n', { mode: 0o600 })
    const env = { SAHARA_CONTROLLER_URL: 'https://env:1', SAHARA_CONTROLLER_TOKEN_FILE: tokenFile }
    expect(await findController({ json }, { env, isRoot: false })).toEqual({
      kind: 'url',
      url: 'https://env:1',
      token: 'secret',
    })
    await chmod(tokenFile, 0o644)
    await expect(findController({ json }, { env, isRoot: false })).rejects.toThrow('chmod 600')
  })

  test.for([
    [{ json, socket: '/s', url: 'http://u' }, {}, 'name two controllers'],
    [{ json }, { SAHARA_CONTROLLER_SOCKET: '/s', SAHARA_CONTROLLER_URL: 'http://u' }, 'both set'],
    [{ json }, { SAHARA_CONTROLLER_URL: 'ftp://u' }, 'SAHARA_CONTROLLER_URL: use a URL'],
    [{ json, url: 'http://u', tokenFile: '/no/such/file' }, {}, 'cannot read the token file'],
  ] as const)('is refused from %j and %j', async ([options, env, message]) => {
    await expect(findController(options, { env, isRoot: false })).rejects.toThrow(message)
  })
})
