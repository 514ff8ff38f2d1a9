import { randomBytes } from 'node:crypto'
import { Command } from '../../protocol/messages/command.ts'

/** A valid command, as the agent has it once it is opened. */
export function aCommand(operation: object = { name: 'exec', argv: ['true'] }): Command {
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
