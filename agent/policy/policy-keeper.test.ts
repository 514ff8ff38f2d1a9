import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Command, Operation } from '../../protocol/messages/command.ts'
import { keepPolicy } from './policy-keeper.ts'

const note = () => undefined

async function aKeeper(asked: string[]) {
  return await keepPolicy({
    path: '/there/is/no/policy.yaml',
    ownPaths: [],
    probe: {
      findUnresponsive: async (paths) => {
        asked.push(...paths)
        return paths.find((path) => path.startsWith('/mnt/dead'))
      },
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
    [{ name: 'read', path: '/mnt/dead/file' }, ['/mnt/dead/file']],
    [{ name: 'write', path: '/mnt/dead/file' }, ['/mnt/dead/file']],
    [{ name: 'exec', argv: ['/mnt/dead/tool', '/mnt/dead/argument'] }, ['/mnt/dead/tool']],
    [{ name: 'exec', argv: ['ls'], cwd: '/mnt/dead' }, ['/mnt/dead']],
    [
      { name: 'exec', argv: ['ls'], env: { PATH: '/bin:/mnt/dead/bin' } },
      ['/bin', '/mnt/dead/bin'],
    ],
  ] as const)('is refused before anything looks at its paths: %o', async ([operation, paths]) => {
    const asked: string[] = []
    const keeper = await aKeeper(asked)
    expect(await keeper.judge(aCommand(operation), Operation.parse(operation))).toMatchObject({
      state: 'refused',
      reason: { code: 'path-unresponsive' },
      rule: 'built-in/unresponsive',
    })
    expect(asked).toEqual(paths)
  })

  test('is no concern of the others', async () => {
    const operation = { name: 'exec', argv: ['ls', '/mnt/dead'] }
    const keeper = await aKeeper([])
    expect(await keeper.judge(aCommand(operation), Operation.parse(operation))).toBeNull()
  })
})
