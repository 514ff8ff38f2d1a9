import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Operation } from '../../protocol/messages/command.ts'
import { aCommand } from '../../test/agent/a-command.ts'
import { findUserEntry } from '../runner/find-user.ts'
import { keepPolicy } from './policy-keeper.ts'

/** Of whom the tests run as. */
const home = (await findUserEntry(String(process.geteuid?.())))?.home ?? '/'
const note = () => undefined

/** Whose probe finds `dead` unresponsive. */
async function aKeeper(dead: string) {
  return await keepPolicy({
    path: '/there/is/no/policy.yaml',
    ownPaths: [],
    probe: {
      findUnresponsive: async (listPaths) => (await listPaths()).find((path) => path === dead),
    },
    log: { debug: note, info: note, warn: note, error: note },
    onRead: note,
    onObserved: note,
  })
}

describe('a command for a file server that does not answer', () => {
  test.for([
    [{ name: 'read', path: '/mnt/dead/file' }, '/mnt/dead/file'],
    [{ name: 'write', path: '/mnt/dead/file' }, '/mnt/dead/file'],
    [{ name: 'exec', argv: ['/mnt/dead/tool', 'argument'] }, '/mnt/dead/tool'],
    [{ name: 'exec', argv: ['ls'], cwd: '/mnt/dead' }, '/mnt/dead'],
    [{ name: 'exec', argv: ['ls'], env: { PATH: '/bin:/mnt/dead/bin' } }, '/mnt/dead/bin/ls'],
    [{ name: 'exec', argv: ['ls'] }, '/usr/local/sbin/ls'],
    [{ name: 'exec', argv: ['./x'], cwd: '/srv' }, '/srv/x'],
    [{ name: 'exec', argv: ['./x'] }, join(home, 'x')],
    [{ name: 'exec', argv: ['./x'], cwd: 'below' }, join(home, 'below')],
    [{ name: 'exec', script: 'ls', interpreter: ['../x'], cwd: '/srv/a' }, '/srv/x'],
  ] as const)('is refused before anything looks at its paths: %o', async ([operation, dead]) => {
    const keeper = await aKeeper(dead)
    expect(await keeper.judge(aCommand(operation), Operation.parse(operation))).toMatchObject({
      state: 'refused',
      reason: { code: 'path-unresponsive' },
      rule: 'built-in/unresponsive',
    })
  })

  test('is no concern of the others', async () => {
    const operation = { name: 'exec', argv: ['ls', '/mnt/dead'] }
    const keeper = await aKeeper('/mnt/dead')
    expect(await keeper.judge(aCommand(operation), Operation.parse(operation))).toBeNull()
  })
})
