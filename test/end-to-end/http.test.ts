import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startCluster } from '../system/start-cluster.ts'

const target = { cluster: 'test', instance: 'worker-1' }

/** A web service on the instance: answers with what it got, and has half an answer for `/slow`. */
async function startService() {
  const arrivals: string[] = []
  const server = createServer((request, response) => {
    arrivals.push(`${request.method} ${request.url}`)
    if (request.url === '/slow') {
      response.write('half')
      return
    }
    response.writeHead(201, { 'X-Kind': 'echo' })
    request.pipe(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = z.object({ port: z.int() }).parse(server.address())
  return {
    url: `http://127.0.0.1:${port}`,
    arrivals,
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

describe('a web service on an instance', () => {
  test('is asked from inside, with bodies larger than a message both ways', async () => {
    using service = await startService()
    await using cluster = await startCluster()
    const body = Buffer.alloc(3 * 1024 * 1024, 'body ')
    const stored = await cluster.api.storeContent(
      (async function* () {
        yield body
      })(),
    )
    const operation = { name: 'http', method: 'POST', url: `${service.url}/echo` } as const
    const content = { sha256: stored.value.sha256 }
    const [command] = (await cluster.api.postCommand(target, { operation, content })).value
    const id = command?.id ?? ''
    const chunks: Uint8Array[] = []
    for await (const chunk of cluster.api.outputBytes(id, 'content', { follow: true })) {
      chunks.push(chunk)
    }
    const { value: ended } = await cluster.api.getCommand(id, { wait: true })
    expect(ended).toMatchObject({
      state: 'succeeded',
      outputComplete: true,
      result: { answer: { status: 201, size: body.length, sha256: stored.value.sha256 } },
    })
    expect(Buffer.concat(chunks).equals(body)).toBe(true)
  })

  test('is not asked twice when the agent is killed meanwhile', async () => {
    using service = await startService()
    await using cluster = await startCluster()
    const operation = { name: 'http', url: `${service.url}/slow` } as const
    const [command] = (await cluster.api.postCommand(target, { operation })).value
    const id = command?.id ?? ''
    await expect.poll(() => service.arrivals, { timeout: 20_000 }).toEqual(['GET /slow'])
    await cluster.agent.stop('SIGKILL')
    await cluster.restartAgent()
    const { value: ended } = await cluster.api.getCommand(id, { wait: true })
    expect(ended).toMatchObject({
      state: 'interrupted',
      result: { reason: { code: 'interrupted' } },
    })
    expect(service.arrivals).toEqual(['GET /slow'])
  })

  test('is out of reach where it is the metadata service', async () => {
    await using cluster = await startCluster()
    const operation = { name: 'http', url: 'http://169.254.169.254/latest/meta-data/' } as const
    const [command] = (await cluster.api.postCommand(target, { operation })).value
    const { value: ended } = await cluster.api.getCommand(command?.id ?? '', { wait: true })
    expect(ended).toMatchObject({
      state: 'refused',
      result: { reason: { code: 'address-not-allowed' } },
    })
  })
})
