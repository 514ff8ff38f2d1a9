import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A way to the queue service that tells when a guest first asked for work. It looks at bytes, and changes none. */
export interface WatchedQueue extends AsyncDisposable {
  url: string
  /** When the first claim came, by `performance.now()`; undefined if none came so far. */
  firstClaimMs: () => number | undefined
}

export async function watchQueue(queueUrl: string): Promise<WatchedQueue> {
  const sockets = new Set<Socket>()
  let firstClaimMs: number | undefined
  const server = createServer((guest) => {
    const queue = connect(Number(new URL(queueUrl).port), '127.0.0.1')
    guest.on('data', (bytes) => {
      if (/^POST \S+\/claims[? ]/m.test(bytes.toString('latin1')))
        firstClaimMs ??= performance.now()
    })
    for (const [from, to] of [[guest, queue] as const, [queue, guest] as const]) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        sockets.delete(from)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    firstClaimMs: () => firstClaimMs,
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
