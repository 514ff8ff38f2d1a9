import { describe, expect, test } from 'vitest'
import { Command } from '../../protocol/messages/command.ts'
import { judgeCommand, type Known } from './judge-command.ts'

const noon = new Date('2030-01-01T12:00:00Z')
const known: Known = {
  cluster: '11111111-1111-4111-8111-111111111111',
  instance: '22222222-2222-4222-8222-222222222222',
  now: noon,
  forgottenUntil: new Date(0),
  seen: undefined,
  contentLimitBytes: 1000,
}

function aCommand(differences: Readonly<Record<string, unknown>> = {}): Command {
  return Command.parse({
    v: 1,
    id: '01890000-0000-7000-8000-000000000001',
    cluster: known.cluster,
    instance: known.instance,
    issuedAt: '2030-01-01T11:59:59.000Z',
    startBy: '2030-01-01T13:00:00.000Z',
    deadline: '2030-01-01T14:00:00.000Z',
    timeoutSeconds: 10,
    replyKey: Buffer.alloc(32).toString('base64url'),
    operation: { name: 'exec', argv: ['true'] },
    ...differences,
  })
}

const stranger = '33333333-3333-4333-8333-333333333333'
const sha256 = 'a'.repeat(64)

describe('a command that the agent has just opened', () => {
  test('is run when nothing is off', () => {
    expect(judgeCommand(aCommand(), 'm1', known)).toMatchObject({
      kind: 'run',
      operation: { name: 'exec', argv: ['true'] },
    })
  })

  test.for([
    ['it names another cluster', { cluster: stranger }, {}, 'other-cluster'],
    ['it names another instance', { instance: stranger }, {}, 'other-instance'],
    ['its deadline is this very moment', { deadline: noon.toISOString() }, {}, 'too-late'],
    [
      'ids with deadlines as late as its own have been forgotten',
      {},
      { forgottenUntil: new Date('2030-01-01T14:00:00Z') },
      'forgotten-age',
    ],
    [
      'the queue delivers its message again',
      {},
      { seen: { state: 'begun', messageId: 'm1' } },
      'delivered-again',
    ],
    [
      'its id came before, in another message',
      {},
      { seen: { state: 'sent', messageId: 'm0' } },
      'replayed',
    ],
  ] as const)('is dropped when %s', ([, differences, knowledge, reason]) => {
    const verdict = judgeCommand(aCommand(differences), 'm1', { ...known, ...knowledge })
    expect(verdict).toEqual({ kind: 'drop', reason })
  })

  test.for([
    ['its operation is unknown', { operation: { name: 'fly' } }, 'unknown-operation'],
    [
      'a field of its operation is wrong',
      { operation: { name: 'exec', argv: [] } },
      'operation-malformed',
    ],
    ['its content is too large', { content: { size: 1001, sha256 } }, 'content-too-large'],
  ] as const)('is refused by name when %s', ([, differences, code]) => {
    const verdict = judgeCommand(aCommand(differences), 'm1', known)
    expect(verdict).toMatchObject({ kind: 'answer', state: 'refused', reason: { code } })
  })

  test('has expired when its time to start is this very moment', () => {
    const verdict = judgeCommand(aCommand({ startBy: noon.toISOString() }), 'm1', known)
    expect(verdict).toMatchObject({ kind: 'answer', state: 'expired' })
  })

  test('never shows the value of a field in a refusal', () => {
    const operation = { name: 'exec', argv: ['true'], env: { PASSWORD: 12_345_678 } }
    expect(JSON.stringify(judgeCommand(aCommand({ operation }), 'm1', known))).not.toContain(
      '12345678',
    )
  })
})
