import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealReply } from '../../protocol/sealing/seal-reply.ts'
import { sealUnderKey } from '../../protocol/sealing/shared-key-seal.ts'
import {
  type ContextWithInstance,
  openContextWithInstance,
} from '../../test/controller/context-with-instance.ts'
import { readReplyKey } from '../store/command-secrets.ts'
import { openMessage } from './open-message.ts'

let opened: ContextWithInstance
let commandId: string
let replyKey: Uint8Array
beforeAll(async () => {
  opened = await openContextWithInstance()
  commandId = await opened.newCommand()
  replyKey = readReplyKey(opened.context.store, opened.clusterId, commandId) ?? new Uint8Array()
})
afterAll(async () => opened[Symbol.asyncDispose]())

const open = async (body: unknown) => openMessage(opened.context, opened.clusterId, body)

describe('a message on a return queue, where anybody with a signed URL may post', () => {
  test('is a reply when it opens under the key of the command that it names', async () => {
    const progress = { kind: 'progress', progress: { contentBytes: 3 } } as const
    const sealed = await sealReply(progress, { id: commandId, replyKey })
    expect(await open(sealed)).toEqual({ kind: 'reply', commandId, reply: progress })
  })

  test('is dropped, whatever its body is', async () => {
    const header = fc
      .record({
        typ: fc.oneof(
          fc.constantFrom('sahara-reply', 'sahara-report', 'sahara-hello', 'sahara-command'),
          fc.string(),
        ),
        kid: fc.oneof(fc.constantFrom(commandId, opened.instanceId, '__proto__', ''), fc.string()),
        alg: fc.constantFrom('dir', 'ECDH-ES', 'none'),
        enc: fc.constantFrom('A256GCM', 'A128CBC-HS256'),
        kind: fc.jsonValue(),
      })
      .map((fields) => Buffer.from(JSON.stringify(fields)).toString('base64url'))
    const sealed = fc
      .tuple(header, fc.array(fc.oneof(fc.base64String(), fc.string()), { maxLength: 5 }))
      .map(([first, rest]) => [first, ...rest].join('.'))
    const body = fc.oneof(fc.jsonValue(), fc.record({ v: fc.constantFrom(1, 2), sealed }))
    await fc.assert(
      fc.asyncProperty(body, async (anything) => {
        expect((await open(anything)).kind).toBe('dropped')
      }),
      { numRuns: 300 },
    )
  })

  test('is dropped by name when an instance that holds the key sends what is no reply', async () => {
    const place = fc.dictionary(
      fc.constantFrom('kind', 'offset', 'stream'),
      fc.oneof(fc.constantFrom('result', 'accepted', 'progress'), fc.jsonValue()),
    )
    await fc.assert(
      fc.asyncProperty(place, fc.json(), async (fields, text) => {
        const placement = { type: 'sahara-reply', keyId: commandId, place: fields } as const
        const bytes = new TextEncoder().encode(text)
        const outcome = await open(await sealUnderKey(bytes, placement, replyKey))
        const isReply = outcome.kind === 'reply' && outcome.commandId === commandId
        const reason = expect.stringMatching(/^(malformed|other-version)$/)
        if (!isReply) expect(outcome).toEqual({ kind: 'dropped', reason })
      }),
      { numRuns: 200 },
    )
  })
})
