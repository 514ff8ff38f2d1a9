import fc from 'fast-check'
import { expect, test } from 'vitest'
import { generatePrivateKey, importKey, publicPart } from '../../protocol/sealing/keys.ts'
import { openMessage } from './open-message.ts'

test('a claimed message is usable or not, whatever its body is: none can stop the intake', async () => {
  const cluster = await importKey(publicPart(await generatePrivateKey('Ed25519')))
  const agent = await importKey(await generatePrivateKey('X25519'))
  const header = fc
    .record({
      typ: fc.oneof(fc.constantFrom('sahara-command', 'sahara-input', 'sahara-reply'), fc.string()),
      kid: fc.oneof(fc.constant(agent.id), fc.string()),
      alg: fc.constantFrom('ECDH-ES', 'dir', 'none', 'PBES2-HS256+A128KW'),
      enc: fc.constantFrom('A256GCM', 'A128CBC-HS256'),
      epk: fc.jsonValue(),
      p2c: fc.constant(2 ** 31),
      zip: fc.constant('DEF'),
    })
    .map((fields) => Buffer.from(JSON.stringify(fields)).toString('base64url'))
  const part = fc.oneof(header, fc.base64String(), fc.string())
  const sealed = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('.'))
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record({ v: fc.oneof(fc.constant(1), fc.integer()), sealed: fc.oneof(sealed, fc.string()) }),
  )
  await fc.assert(
    fc.asyncProperty(body, async (anything) => {
      const opened = await openMessage({ id: 'm', body: anything }, { cluster, agent })
      expect(opened.messageId).toBe('m')
      expect(opened.kind).not.toBe('command')
    }),
    { numRuns: 500 },
  )
})
