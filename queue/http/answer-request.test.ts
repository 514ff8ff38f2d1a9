import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { aClient, openTestQueue } from '../../test/open-test-queue.ts'

const queues = '/v2/queues'

describe('a request', () => {
  test.for([
    ['no token', { 'x-auth-token': '' }, 401, 'Unauthorized'],
    ['another token', { 'x-auth-token': 'guess' }, 401, 'Unauthorized'],
    ['no token and nothing else', { 'x-auth-token': '', 'client-id': '' }, 401, 'Unauthorized'],
    ['no Client-ID', { 'client-id': '' }, 400, 'Missing header value'],
    ['a Client-ID that is no UUID', { 'client-id': 'me' }, 400, 'Wrong UUID value'],
    ['no project', { 'x-project-id': '' }, 400, 'Project-Id Missing'],
    ['an overlong project', { 'x-project-id': 'p'.repeat(257) }, 400, 'Invalid API request'],
    ['an Accept for HTML only', { accept: 'text/html' }, 406, '406 Not Acceptable'],
    ['an Accept that excludes JSON', { accept: 'application/json;q=0' }, 406, '406 Not Acceptable'],
    [
      'a bad Accept and a bad Client-ID',
      { accept: 'text/html', 'client-id': '' },
      406,
      '406 Not Acceptable',
    ],
  ] as const)('with %s is refused', async ([, headers, status, title]) => {
    await using queue = await openTestQueue()
    const reply = await queue.send('GET', queues, { headers })
    expect(reply.status).toBe(status)
    expect(reply.body).toMatchObject(status === 401 ? { error: { title } } : { title })
  })

  test.for([
    { accept: '*/*' },
    { accept: 'text/html, application/*;q=0.1' },
    { 'client-id': '3381AF922B9E11E3B19171861300734C' },
    { 'x-project-id': 'p'.repeat(256) },
    { 'content-type': 'text/plain' },
  ])('with %j is let in', async (headers) => {
    await using queue = await openTestQueue()
    const sent = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value ?? '']),
    )
    expect((await queue.send('GET', queues, { headers: sent })).status).toBe(200)
  })

  test('to claim without a word about its body has none', async () => {
    await using queue = await openTestQueue()
    await queue.post('q', 'here')
    const { port } = new URL(queue.service.url)
    const socket = connect(Number(port), '127.0.0.1')
    const head = [
      'POST /v2/queues/q/claims HTTP/1.1',
      'Host: q',
      `Client-ID: ${aClient}`,
      'X-Project-Id: p1',
      `X-Auth-Token: ${queue.service.token}`,
      'Connection: close',
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
    await once(socket, 'end')
    expect(answer).toMatch(/^HTTP\/1.1 201 .*"body":"here"/s)
  })

  test('with a form is refused', async () => {
    await using queue = await openTestQueue()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const reply = await queue.send('POST', '/v2/queues/q/messages', { headers, text: '{}' })
    expect(reply.status).toBe(400)
  })

  test.for([
    '/v2',
    '/v1/queues',
    '/v2/topics',
    '/v2/queues/',
    '/v2/queues/q/',
    '/v2/queues/q/subscriptions',
    '/v2/pools',
    '/v2/queues/%',
    '/v2/queues/q/messages/a/b',
    '/x',
  ])('for %s finds nothing', async (path) => {
    await using queue = await openTestQueue()
    expect(await queue.send('GET', path)).toMatchObject({
      status: 404,
      body: { title: '404 Not Found' },
    })
  })

  test.for([
    ['HEAD', '/v2/queues/q', 'GET, PUT, PATCH, DELETE, OPTIONS'],
    ['PUT', '/v2/queues/q/messages', 'GET, POST, DELETE, OPTIONS'],
    ['GET', '/v2/queues/q/claims', 'POST, OPTIONS'],
    ['POST', '/v2/ping', 'GET, HEAD, OPTIONS'],
  ] as const)('by %s on %s is told the methods that there are', async ([method, path, allow]) => {
    await using queue = await openTestQueue()
    const reply = await queue.send(method, path)
    expect(reply).toMatchObject({ status: 405, headers: { allow } })
    const options = await queue.send('OPTIONS', path, { headers: { 'x-auth-token': '' } })
    expect(options).toMatchObject({ status: 200, headers: { allow } })
  })

  test.for(['a b', 'q%2f', 'é', 'q'.repeat(65)])(
    'for a queue named %s is refused',
    async (name) => {
      await using queue = await openTestQueue()
      const reply = await queue.send('PUT', `/v2/queues/${encodeURIComponent(name)}`)
      expect(reply.status).toBe(400)
    },
  )

  test('is answered with the date by which messages end', async () => {
    const world = fakeWorld(new Date('2031-05-06T07:08:09Z'))
    await using queue = await openTestQueue({}, world)
    await world.advance(1000)
    const reply = await queue.send('GET', queues)
    expect(reply.headers['date']).toBe('Tue, 06 May 2031 07:08:10 GMT')
  })
})

describe('the service itself', () => {
  test('tells its versions to everybody', async () => {
    await using queue = await openTestQueue()
    const reply = await queue.send('GET', '/', { headers: { 'x-auth-token': '', 'client-id': '' } })
    expect(reply).toMatchObject({
      status: 300,
      body: { versions: [{ id: '2', status: 'CURRENT' }] },
    })
  })

  test('has a home document, a ping and a health', async () => {
    await using queue = await openTestQueue()
    const home = await queue.send('GET', '/v2/')
    expect(home.body).toHaveProperty(
      ['resources', 'rel/queue', 'href-template'],
      '/v2/queues/{queue_name}',
    )
    expect((await queue.send('GET', '/v2/ping')).status).toBe(204)
    expect((await queue.send('HEAD', '/v2/ping')).status).toBe(204)
    expect((await queue.send('GET', '/v2/health')).body).toMatchObject({ storage_reachable: true })
  })
})
