import { expect, test } from 'vitest'
import { ExecOperation, WriteOperation } from '../../protocol/messages/operations.ts'
import { standardPath } from '../runner/launch-program.ts'
import { compilePolicy } from './compile-policy.ts'
import { examineCommand, listLookedAt, resolvePath } from './examine-command.ts'
import { PolicyFile } from './policy-file.ts'

const policy = compilePolicy(PolicyFile.parse({ version: 1 }), { ownPaths: [], resolvePath })

test.for([
  [{}, false],
  [{ mode: '0755' }, false],
  [{ mode: '1777' }, false],
  [{ mode: '4755' }, true],
  [{ mode: '2755' }, true],
  [{ user: 'root', owner: 'root' }, false],
  [{ user: 'root', owner: '0:0' }, false],
  [{ user: 'root', owner: 'nobody' }, true],
  [{ user: 'root', owner: ':65534' }, true],
  [{ user: 'root', owner: 'no-such-person' }, true],
  [{ user: 'no-such-person', owner: 'root' }, true],
] as const)(
  'whether a write sets an owner or a set-id bit, of %j, is %s',
  async ([fields, expected]) => {
    const operation = WriteOperation.parse({ name: 'write', path: '/srv/x', ...fields })
    const question = await examineCommand(operation, { timeoutSeconds: 1 }, policy)
    expect(question.setsOwnerOrId).toBe(expected)
  },
)

test('a secret brings its variable, so that rules about variables speak of it', async () => {
  const operation = ExecOperation.parse({
    name: 'exec',
    argv: ['curl'],
    env: { LANG: 'C' },
    secrets: { 'ssl-cert': { sealed: 'x' } },
  })
  const question = await examineCommand(operation, { timeoutSeconds: 1 }, policy)
  expect(question.environment).toEqual(['LANG', 'SSL_CERT_FILE'])
})

test('where the system keeps its programs is looked at only for a policy that asks about programs', async () => {
  const operation = ExecOperation.parse({ name: 'exec', argv: ['/srv/x'], cwd: '/srv' })
  const rules = [{ name: 'x', allow: 'exec', argv: [['/srv/x']] }]
  const asking = compilePolicy(PolicyFile.parse({ version: 1, rules }), {
    ownPaths: [],
    resolvePath,
  })
  expect(await listLookedAt(operation, policy)).toEqual(['/srv', '/srv/x'])
  expect(await listLookedAt(operation, asking)).toEqual([
    '/srv',
    '/srv/x',
    ...standardPath.split(':'),
  ])
})
