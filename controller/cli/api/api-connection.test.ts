import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeCertificates } from '../../../protocol/network/test-certificates.fixture.ts'
import { ControllerStatus } from '../../api/resources.ts'
import { connectApi } from './api-connection.ts'

let opened: AsyncDisposableStack
beforeEach(() => {
  opened = new AsyncDisposableStack()
})
afterEach(async () => await opened.disposeAsync())

async function portOf(server: Server): Promise<number> {
  opened.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function refusalAt(url: string, token: string | null = null): Promise<unknown> {
  const connection = opened.use(connectApi({ kind: 'url', url, token }))
  return await connection.exchange(ControllerStatus, { path: ['status'] }).then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('a controller that wants a token', () => {
  const problem = { type: 'about:blank', title: 'Unauthorized', status: 401, detail: 'a header' }
  const refusing = async () => {
    const body = JSON.stringify({ ...problem, code: 'ERR_API_UNAUTHORIZED' })
    const port = await portOf(createServer((_, response) => response.writeHead(401).end(body)))
    return `http://127.0.0.1:${port}`
  }

  test.for([
    [null, 'wants a token, and none was sent; name the file with it by --token-file'],
    ['wrong', 'does not know the token that was sent; name by --token-file'],
  ] as const)('is told of for the token %j', async ([token, message]) => {
    expect(await refusalAt(await refusing(), token)).toMatchObject({
      problemCode: 'ERR_API_UNAUTHORIZED',
      message: expect.stringContaining(message),
    })
  })
})

describe('a URL with the wrong scheme', () => {
  test('is told of where TLS meets plain HTTP', async () => {
    const port = await portOf(createServer())
    expect(await refusalAt(`https://127.0.0.1:${port}`)).toMatchObject({
      code: 'ERR_CONTROLLER_UNREACHABLE',
      message: expect.stringMatching(/speaks no TLS; write --url with http:\/\/.*`listen.tls`$/),
    })
  })

  test('is told of where plain HTTP meets TLS', async () => {
    const { key, certificate } = makeCertificates('localhost')
    const port = await portOf(createTlsServer({ key, cert: certificate }))
    expect(await refusalAt(`http://127.0.0.1:${port}`)).toMatchObject({
      message: expect.stringContaining('whether it wants https://'),
    })
  })
})

test('a certificate of nobody known is named, with what to set', async () => {
  const { key, certificate } = makeCertificates('localhost')
  const port = await portOf(createTlsServer({ key, cert: certificate }))
  expect(await refusalAt(`https://localhost:${port}`)).toMatchObject({
    message: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
  })
})
