import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { noSuchRoute, Refusal } from '../http/api-reply.ts'
import { readPreferWait } from '../http/prefer-wait.ts'
import { ClientGone, readBody } from '../http/read-body.ts'
import type { QueueServiceLog } from '../queue-service-log.ts'
import { findAgentRoute } from './agent-route.ts'
import { type HoldParts, holdClaim } from './hold-claim.ts'
import {
  type ForwardedRequest,
  pickForwarded,
  type Upstream,
  type UpstreamAnswer,
} from './upstream.ts'

/** What answering agents needs. */
export interface AgentParts extends HoldParts {
  upstream: Upstream
  maxWaitSeconds: number
  log: QueueServiceLog
}

const claimBodyLimit = 65_536

/** Answers one request of an agent. Never rejects. */
export async function answerAgent(
  parts: AgentParts,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await forward(parts, incoming, response)
  } catch (error) {
    if (error instanceof Refusal && !response.headersSent) {
      const { status, body = '', headers } = error.reply
      const answer = { status, headers: { ...headers, 'content-type': 'application/json' } }
      writeAnswer(parts, incoming, response, { ...answer, body: Buffer.from(body) })
      return
    }
    if (!(error instanceof ClientGone)) parts.log.info({ err: error }, 'a request broke off')
    response.destroy()
  }
}

async function forward(
  parts: AgentParts,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = '', url = '', headers } = incoming
  const request = { method, path: url, headers: pickForwarded(headers) }
  // Open to everybody on any Zaqar; agents ask for it to see whether the gateway and what is behind it are up.
  if (method === 'GET' && url === '/') return await parts.upstream.pass(request, incoming, response)
  const route = findAgentRoute(method, url.replace(/\?.*$/s, ''))
  // Agents have signed URLs and nothing else. An empty signature must not be forwarded: some builds of Zaqar let it in
  // (OSSA-2026-042).
  if (route === undefined || !headers['url-signature']) throw noSuchRoute()
  if (!route.isClaim) return await parts.upstream.pass(request, incoming, response)
  const body = await readBody(incoming, claimBodyLimit)
  await answerClaim(parts, { ...request, body }, route.queue, incoming, response)
}

async function answerClaim(
  parts: AgentParts,
  request: ForwardedRequest & { body: string },
  queue: string,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { agents, maxWaitSeconds, upstream } = parts
  const look = async () => await upstream.ask(request)
  const waitSeconds = Math.min(readPreferWait(incoming.headers['prefer']) ?? 0, maxWaitSeconds)
  const mayWait = waitSeconds > 0 && !agents.isFull
  const answer = mayWait
    ? await holdClaim(parts, {
        queue,
        waitSeconds,
        look,
        url: digestOf(request.headers),
        ttlSeconds: readTtl(request.body),
        onGone: (act) => void response.once('close', act),
      })
    : await look()
  const isOurs = answer === undefined || answer.status === 201
  const applied = mayWait && isOurs ? { 'preference-applied': `wait=${waitSeconds}` } : {}
  const { status, headers, body } = answer ?? { status: 204, headers: {}, body: nobody }
  const onUndelivered = () => void releaseClaim(upstream, request, queue, headers)
  const reply = { status, headers: { ...headers, ...applied }, body }
  writeAnswer(parts, incoming, response, reply, status === 201 ? onUndelivered : undefined)
}

const nobody = new Uint8Array()

/** Tells signed URLs apart without keeping them. */
function digestOf(headers: IncomingHttpHeaders): string {
  const signed = ['url-signature', 'url-expires', 'url-methods', 'url-paths', 'x-project-id']
  const text = JSON.stringify(signed.map((name) => headers[name]))
  return createHash('sha256').update(text).digest('base64')
}

const ClaimTimes = z.looseObject({ ttl: z.number().min(0).max(1_000_000).catch(300) })

/** Zaqar's default where the body does not say; it is only an estimate of when messages come back. */
function readTtl(body: string): number {
  try {
    const times = ClaimTimes.safeParse(JSON.parse(body))
    return times.success ? times.data.ttl : 300
  } catch {
    return 300
  }
}

/**
 * Hands back what was claimed for an agent that has gone meanwhile, with the agent's own right. When that fails the messages
 * come back at the end of the claim.
 */
async function releaseClaim(
  upstream: Upstream,
  request: ForwardedRequest,
  queue: string,
  claimed: Readonly<Record<string, string>>,
): Promise<void> {
  const path = URL.parse(claimed['location'] ?? '', 'http://gateway')?.pathname ?? ''
  if (!path.startsWith(`/v2/queues/${queue}/`)) return
  if (findAgentRoute('DELETE', path)?.queue !== queue) return
  await upstream.ask({ method: 'DELETE', path, headers: request.headers })
}

/** Without a `Date` of our own: agents measure their clocks by it, and the clock that counts is the queue service's. */
function writeAnswer(
  { agents }: AgentParts,
  incoming: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: UpstreamAnswer,
  onUndelivered?: () => void,
): void {
  if (response.destroyed || incoming.socket.destroyed) {
    onUndelivered?.()
    return
  }
  if (onUndelivered !== undefined) {
    response.once('close', () => {
      if (!response.writableFinished) onUndelivered()
    })
  }
  const isLast = agents.isClosed || !incoming.complete
  response.sendDate = false
  response.writeHead(status, {
    ...headers,
    ...(status === 204 ? {} : { 'content-length': String(body.length) }),
    ...(isLast ? { connection: 'close' } : {}),
  })
  response.end(status === 204 ? undefined : body)
}
