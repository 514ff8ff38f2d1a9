import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { serveProxy } from './serve-proxy.ts'

/** A request on its way to the queue service, as a test may look at it. */
export interface Passing {
  method: string
  /** Path and query. */
  path: string
  body: string
}

/** What a gate answers in the queue's place. */
export interface GateAnswer {
  status: number
  contentType: string
  body: string
}

/** What a test does to a request. Each hook may wait: the request stands still meanwhile. */
export interface Gate {
  /** Before the queue sees the request. `drop` cuts the connection instead; an answer is given in the queue's place. */
  before?: (passing: Passing) => Promise<'pass' | 'drop' | GateAnswer>
  /**
   * After the queue has answered, before the client sees the answer. `drop` cuts the connection instead, `halve` cuts it
   * in the middle of the answer.
   */
  after?: (passing: Passing, status: number, answer: string) => Promise<'pass' | 'drop' | 'halve'>
}

export interface GateProxy {
  url: string
  /** Replaces what is done to requests from now on. */
  setGate: (gate: Gate) => void
  /** All requests that have passed so far. */
  passed: Passing[]
  [Symbol.asyncDispose]: () => Promise<void>
}

/** Stands between one client and the queue service, so that a test can stop, cut or count each step of a command's way. */
export async function startGateProxy(upstream: string): Promise<GateProxy> {
  let gate: Gate = {}
  const passed: Passing[] = []

  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const passing = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      body: body.toString(),
    }
    passed.push(passing)
    const verdict = (await gate.before?.(passing)) ?? 'pass'
    if (verdict === 'drop') {
      incoming.socket.destroy()
      return
    }
    if (verdict !== 'pass') {
      outgoing.writeHead(verdict.status, { 'content-type': verdict.contentType })
      outgoing.end(verdict.body)
      return
    }
    const forwarded = request(new URL(passing.path, upstream), {
      method: passing.method,
      headers: incoming.headers,
    })
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) forwarded.destroy()
    })
    forwarded.end(body)
    const [answer]: IncomingMessage[] = await once(forwarded, 'response')
    if (answer === undefined) throw new Error('no response')
    const answered: Buffer[] = []
    for await (const chunk of answer) answered.push(chunk)
    const answerBody = Buffer.concat(answered)
    const status = answer.statusCode ?? 0
    const fate = (await gate.after?.(passing, status, answerBody.toString())) ?? 'pass'
    if (fate === 'drop') {
      incoming.socket.destroy()
      return
    }
    if (fate === 'halve') {
      outgoing.writeHead(status, { ...answer.headers, 'content-length': answerBody.length + 1 })
      outgoing.write(answerBody.subarray(0, answerBody.length / 2), () => incoming.socket.destroy())
      return
    }
    outgoing.writeHead(status, answer.headers)
    outgoing.end(answerBody)
  }

  const server = await serveProxy(pass)
  return {
    url: server.url,
    setGate: (next) => {
      gate = next
    },
    passed,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
    },
  }
}
