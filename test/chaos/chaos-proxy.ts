import { once } from 'node:events'
import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { serveProxy } from '../system/serve-proxy.ts'
import { corruptSeal } from './corrupt-seal.ts'
import type { NetworkFaultKind, PlannedFault } from './fault.ts'

/** A network that misbehaves, between some clients and the queue service. */
export interface ChaosProxy {
  url: string
  /**
   * Lets the fault happen to the next requests of its way.
   *
   * | kind | what happens |
   * | --- | --- |
   * | duplicate | the request reaches the queue twice |
   * | lose-request | it never reaches the queue; the client's connection is cut |
   * | lose-answer | the queue does it; the client's connection is cut |
   * | delay | it stands still for a while |
   * | reorder | the client's connection is cut, and the request reaches the queue later than what follows it |
   * | replay | an old POST of messages is sent once more |
   * | corrupt | the same, with one character of each seal changed |
   * | garble-answer | the queue does it; the answer ends in the middle, and its beginning is wrong |
   * | slow | the answer comes in small pieces |
   * | half-open | nothing comes back, neither an answer nor an end, for a while |
   */
  arm: (fault: PlannedFault & { kind: NetworkFaultKind }) => void
  /** Faults that no request has met yet. */
  waiting: () => number
  /** Requests that met a fault. */
  met: () => number
  [Symbol.asyncDispose]: () => Promise<void>
}

interface Passed {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
}
interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}
interface Armed {
  fault: PlannedFault & { kind: NetworkFaultKind }
  left: number
}

/** So many POSTs of messages are kept for replays. */
const keptPosts = 200

export async function startChaosProxy(upstream: string): Promise<ChaosProxy> {
  const armed: Armed[] = []
  const posts: Passed[] = []
  const upstreamAgent = new Agent({ keepAlive: true })
  const closing = new AbortController()
  let metCount = 0

  const takeFault = (way: PlannedFault['way'] | undefined): Armed['fault'] | undefined => {
    const index = armed.findIndex(({ fault }) => fault.way === way)
    const found = armed[index]
    if (!found) return undefined
    metCount += 1
    found.left -= 1
    if (found.left === 0) armed.splice(index, 1)
    return found.fault
  }

  const forward = async (passed: Passed, client?: ServerResponse): Promise<Answer> => {
    const forwarded = request(new URL(passed.path, upstream), {
      method: passed.method,
      headers: passed.headers,
      agent: upstreamAgent,
    })
    // A client that gives up a long poll must not leave it behind.
    const giveUp = (): void => void forwarded.destroy()
    client?.on('close', giveUp)
    try {
      forwarded.end(passed.body)
      const [incoming]: IncomingMessage[] = await once(forwarded, 'response')
      if (!incoming) throw new Error('no response')
      return {
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        body: await readBody(incoming),
      }
    } finally {
      client?.off('close', giveUp)
    }
  }
  const aside = (passed: Passed): void => {
    // Nobody waits for it; a service that is down has lost it.
    forward(passed).catch(() => undefined)
  }
  const pause = async (ms: number): Promise<void> => {
    await sleep(ms, undefined, { signal: closing.signal })
  }

  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const { method = '', url: path = '', headers } = incoming
    const passed: Passed = { method, path, headers, body: await readBody(incoming) }
    const way = wayOf(passed)
    const fault = takeFault(way)
    if (way === 'post') {
      posts.push(passed)
      if (posts.length > keptPosts) posts.shift()
    }
    const old = posts[Math.floor((fault?.strength ?? 0) * posts.length)] ?? passed
    const strength = fault?.strength ?? 0
    switch (fault?.kind) {
      case 'lose-request':
        incoming.socket.destroy()
        return
      case 'reorder':
        incoming.socket.destroy()
        await pause(200 + strength * 3000)
        aside(passed)
        return
      case 'half-open':
        await pause(3000 + strength * 7000)
        incoming.socket.destroy()
        return
      case 'delay':
        await pause(100 + strength * 2500)
        break
      case 'duplicate':
        aside(passed)
        break
      case 'replay':
        aside(old)
        break
      case 'corrupt':
        aside({ ...old, ...corruptSeal(old, strength) })
        break
      case 'lose-answer':
      case 'garble-answer':
      case 'slow':
      case undefined:
    }
    const answer = await forward(passed, outgoing)
    if (fault?.kind === 'lose-answer') {
      incoming.socket.destroy()
    } else if (fault?.kind === 'garble-answer') {
      const half = answer.body.subarray(0, Math.floor(answer.body.length * strength))
      outgoing.writeHead(answer.status, { ...answer.headers, 'content-length': half.length + 1 })
      outgoing.end(Buffer.concat([Buffer.from('}'), half]))
    } else {
      outgoing.writeHead(answer.status, answer.headers)
      if (fault?.kind === 'slow') await trickle(answer.body, outgoing, 200 + strength * 2000, pause)
      outgoing.end(fault?.kind === 'slow' ? undefined : answer.body)
    }
  }

  const server = await serveProxy(pass)
  return {
    url: server.url,
    arm: (fault) => void armed.push({ fault, left: fault.times }),
    waiting: () => armed.length,
    met: () => metCount,
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      upstreamAgent.destroy()
      await server[Symbol.asyncDispose]()
    },
  }
}

function wayOf({ method, path: target }: Passed): PlannedFault['way'] | undefined {
  const path = target.replace(/\?.*/, '')
  if (method === 'POST' && path.endsWith('/claims')) return 'claim'
  if (method === 'POST' && path.endsWith('/messages')) return 'post'
  return method === 'DELETE' && path.endsWith('/messages') ? 'delete' : undefined
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function trickle(
  body: Buffer,
  outgoing: ServerResponse,
  ms: number,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const pieces = 8
  const size = Math.ceil(body.length / pieces)
  for (let start = 0; start < body.length; start += size) {
    outgoing.write(body.subarray(start, start + size))
    await pause(ms / pieces)
  }
}
