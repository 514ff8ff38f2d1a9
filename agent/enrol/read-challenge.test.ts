import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import { createChallengeReader } from './read-challenge.ts'

const never = new AbortController().signal
const metaData = (document: unknown): RequestListener => {
  return ({ url }, response) => {
    response.writeHead(url === '/openstack/latest/meta_data.json' ? 200 : 404)
    response.end(typeof document === 'string' ? document : JSON.stringify(document))
  }
}

async function readFrom(listener: RequestListener, warnings: string[] = []) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const log = pino({}, { write: (line) => warnings.push(line) })
  const read = createChallengeReader(`http://127.0.0.1:${port}`, { world: realWorld(), log })
  try {
    await read(never)
    return await read(never)
  } finally {
    server.close()
  }
}

describe('the challenge of a server', () => {
  test('is read from its metadata', async () => {
    const meta = { 'another-key': 'x', 'sahara-agent-challenge': 'AQID' }
    expect(await readFrom(metaData({ uuid: 'u', meta }))).toEqual({
      kind: 'found',
      challenge: Uint8Array.of(1, 2, 3),
    })
  })

  test.for([
    [
      'has not been set',
      metaData({ uuid: 'u', meta: {} }),
      'no "sahara-agent-challenge" in it yet',
    ],
    ['has no place yet', metaData({ uuid: 'u' }), 'no "sahara-agent-challenge" in it yet'],
    ['is no challenge', metaData({ meta: { 'sahara-agent-challenge': '&' } }), 'cannot be read'],
    ['comes as no JSON', metaData('<html>'), 'does not answer'],
    ['is longer than metadata can be', metaData('x'.repeat(2 ** 21)), 'does not answer'],
    [
      'is said to be elsewhere',
      (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      'answers 302',
    ],
  ] as const satisfies (readonly [string, RequestListener, string])[])(
    'is missing while it %s, which is said once',
    async ([, listener, why]) => {
      const warnings: string[] = []
      expect(await readFrom(listener, warnings)).toEqual({
        kind: 'missing',
        why: expect.stringContaining(why),
      })
      expect(warnings).toHaveLength(1)
    },
  )
})
