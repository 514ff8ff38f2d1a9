import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Command, Operation } from '../../protocol/messages/command.ts'
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

function aCommand(operation: object): Command {
  return Command.parse({
    v: 1,
    id: '0198c0de-0000-4000-8000-000000000001',
    cluster: '0198c0de-0000-4000-8000-000000000002',
    instance: '0198c0de-0000-4000-8000-000000000003',
    issuedAt: '2030-01-01T00:00:00.000Z',
    startBy: '2030-01-01T01:00:00.000Z',
    deadline: '2030-01-01T02:00:00.000Z',
    timeoutSeconds: 60,
    replyKey: randomBytes(32).toString('base64url'),
    operation,
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
