import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type Command, Command as CommandSchema } from '../../protocol/messages/command.ts'
import type { Credentials } from '../../protocol/messages/credentials.ts'
import { Bootstrap, type Hello, type Welcome } from '../../protocol/messages/enrolment.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { Report } from '../../protocol/messages/reports.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { type Envelope, readEnvelope } from '../../protocol/sealing/envelope.ts'
import { generatePrivateKey, importKey, type Key, publicPart } from '../../protocol/sealing/keys.ts'
import { sealCommand } from '../../protocol/sealing/seal-command.ts'
import { openHello, sealWelcome } from '../../protocol/sealing/seal-enrolment.ts'
import { sealInput } from '../../protocol/sealing/seal-input.ts'
import { openReply, type Reply } from '../../protocol/sealing/seal-reply.ts'
import { openReport } from '../../protocol/sealing/seal-report.ts'
import type { World } from '../../protocol/world.ts'
import { retry } from '../../protocol/zaqar/retry.ts'
import type { ShareGrant } from '../../protocol/zaqar/service.ts'
import { createZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'

/** A command that was sent, and what has come back about it. */
export interface Sent {
  command: Command
  replies: Reply[]
}

/** A controller in miniature, made of protocol/ only: it enrols one instance and keeps what the agent says. */
export interface SmallController extends AsyncDisposable {
  /** What user-data would write. */
  bootstrap: () => Promise<unknown>
  hellos: Hello[]
  reports: Report[]
  /** How a hello is answered; `welcome` unless a test says otherwise. */
  answerWith: (answer: (hello: Hello) => 'welcome' | 'refuse' | 'ignore') => void
  /** How long signed URLs in credentials last, in seconds. */
  setCredentialsLife: (seconds: number) => void
  credentials: () => Promise<Credentials>
  command: (operation: object, differences?: object) => Command
  send: (operation: object, differences?: object) => Promise<Sent>
  /** Posts a command as it is. */
  post: (command: Command, keys?: { cluster?: Key; agent?: Key }) => Promise<Sent>
  postRaw: (bodies: readonly unknown[]) => Promise<void>
  seal: (command: Command) => Promise<Envelope>
  sendInput: (sent: Sent, offset: number, bytes: Uint8Array) => Promise<void>
  /** Resolves as soon as `look` finds something in what has come. */
  until: <T>(look: () => T | undefined | false, what: string) => Promise<T>
  result: (sent: Sent) => Promise<Result>
  output: (sent: Sent) => Buffer
  /** Messages on the command queue, claimed ones too. */
  queued: () => Promise<number>
}

const project = 'b2d1f0e3a4c5968778695a4b3c2d1e0f'
const patienceMs = 30_000
const queueName = (kind: string) => `sa-${kind}-${randomBytes(16).toString('hex')}`

const welcomeAll = () => 'welcome' as const

export async function startSmallController(
  queueUrl: string,
  agentUrl: string,
  world: World,
): Promise<SmallController> {
  const client = createZaqarClient(
    { endpoint: queueUrl, clientId: randomUUID(), projectId: project, auth: { kind: 'none' } },
    // Its requests are under way in real time, whatever a test does to the clock of the others.
    realWorld(),
  )
  const [signing, enrolment] = [
    await generatePrivateKey('Ed25519'),
    await generatePrivateKey('X25519'),
  ]
  const cluster = { id: randomUUID(), signing: await importKey(signing) }
  const enrolmentKey = await importKey(enrolment)
  const instance = { id: randomUUID(), reportKey: new Uint8Array(randomBytes(32)) }
  const queues = { command: queueName('c'), back: queueName('r'), lobby: queueName('l') }
  const hellos: Hello[] = []
  const reports: Report[] = []
  const sent = new Map<string, Sent>()
  const watchers = new Set<() => void>()
  const stop = new AbortController()
  let agentKey: Key | undefined
  let answer: (hello: Hello) => 'welcome' | 'refuse' | 'ignore' = welcomeAll
  let lifeSeconds = 86_400

  const share = async (
    queue: string,
    path: ShareGrant['paths'][number],
    methods: ShareGrant['methods'],
    seconds = lifeSeconds,
  ) => {
    const expires = new Date(world.now().getTime() + seconds * 1000)
    return await client.shareQueue(queue, { paths: [path], methods, expires })
  }

  const credentials = async (): Promise<Credentials> => ({
    endpoint: agentUrl,
    claim: await share(queues.command, 'claims', ['POST', 'PATCH', 'DELETE']),
    acknowledge: await share(queues.command, 'messages', ['DELETE']),
    reply: await share(queues.back, 'messages', ['POST']),
    lobby: await share(queues.lobby, 'messages', ['GET']),
  })

  const answerHello = async (hello: Hello): Promise<void> => {
    hellos.push(hello)
    const verdict = answer(hello)
    if (verdict === 'ignore') return
    const agent = await importKey(hello.sealingKey)
    const common = { v: 1, cluster: cluster.id, nonce: hello.nonce }
    const reason = { code: 'secret-refused', message: 'the secret is not known' }
    const welcome: Welcome =
      verdict === 'refuse'
        ? { ...common, verdict: 'refused', reason }
        : {
            ...common,
            verdict: 'welcome',
            instance: instance.id,
            instanceName: 'worker-1',
            reportKey: instance.reportKey,
            credentials: await credentials(),
            heartbeatSeconds: 60,
          }
    if (verdict === 'welcome') agentKey = agent
    const body = await sealWelcome(welcome, { cluster: cluster.signing, agent })
    await client.postMessages(queues.lobby, [{ body }])
  }

  const receive = async (body: unknown): Promise<void> => {
    const message = readEnvelope(body)
    if (message.type === 'sahara-hello') await answerHello(await openHello(message, enrolmentKey))
    if (message.type === 'sahara-report') {
      reports.push(await openReport(message, instance.reportKey))
    }
    const about = sent.get(message.keyId)
    if (message.type === 'sahara-reply' && about) {
      about.replies.push(await openReply(message, about.command.replyKey))
    }
  }

  const collect = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const options = { limit: 20, waitSeconds: 30, signal: stop.signal }
      const patience = { baseMs: 20, capMs: 100, signal: stop.signal }
      const claim = async () => client.claimMessages(queues.back, options)
      const found = await retry(claim, patience, realWorld())
      for (const { body } of found.messages) await receive(body)
      const ids = found.messages.map(({ id }) => id)
      await retry(async () => client.deleteMessages(queues.back, ids), patience, realWorld())
      for (const look of watchers) look()
    }
  }
  const collecting = collect().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error
  })

  const controller: SmallController = {
    hellos,
    reports,
    credentials,
    answerWith: (next) => {
      answer = next
    },
    setCredentialsLife: (seconds) => {
      lifeSeconds = seconds
    },
    bootstrap: async () => {
      const year = 31_536_000
      const written: Bootstrap = {
        v: 1,
        cluster: cluster.id,
        clusterName: 'spark',
        instanceName: 'worker-1',
        endpoint: agentUrl,
        commandKey: publicPart(signing),
        enrolmentKey: publicPart(enrolment),
        enrolmentSecret: new Uint8Array(randomBytes(32)),
        hello: await share(queues.back, 'messages', ['POST'], year),
        lobby: await share(queues.lobby, 'messages', ['GET'], year),
      }
      return z.encode(Bootstrap, written)
    },
    command: (operation, differences = {}) => {
      const now = world.now().getTime()
      const inSeconds = (seconds: number) => new Date(now + seconds * 1000).toISOString()
      return CommandSchema.parse({
        v: 1,
        id: randomUUID(),
        cluster: cluster.id,
        instance: instance.id,
        issuedAt: inSeconds(0),
        startBy: inSeconds(3600),
        deadline: inSeconds(7200),
        timeoutSeconds: 3600,
        replyKey: randomBytes(32).toString('base64url'),
        operation,
        ...differences,
      })
    },
    seal: async (command) => {
      if (!agentKey) throw new Error('no agent has enrolled yet')
      return await sealCommand(command, { cluster: cluster.signing, agent: agentKey })
    },
    post: async (command, keys = {}) => {
      const agent = keys.agent ?? agentKey
      if (!agent) throw new Error('no agent has enrolled yet')
      const body = await sealCommand(command, { cluster: keys.cluster ?? cluster.signing, agent })
      const about = sent.get(command.id) ?? { command, replies: [] }
      sent.set(command.id, about)
      await controller.postRaw([body])
      return about
    },
    send: async (operation, differences) =>
      controller.post(controller.command(operation, differences)),
    postRaw: async (bodies) => {
      await client.postMessages(
        queues.command,
        bodies.map((body) => ({ body })),
      )
    },
    sendInput: async ({ command }, offset, bytes) => {
      await controller.postRaw([await sealInput({ offset, bytes }, command)])
    },
    until: async (look, what) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const timeout = setTimeout(() => reject(new Error(`did not happen: ${what}`)), patienceMs)
      const watcher = () => {
        if (look()) resolve()
      }
      watchers.add(watcher)
      watcher()
      try {
        await promise
      } finally {
        clearTimeout(timeout)
        watchers.delete(watcher)
      }
      const found = look()
      if (!found) throw new Error(`no longer so: ${what}`)
      return found
    },
    result: async ({ command, replies }) => {
      const reply = await controller.until(
        () => replies.find(({ kind }) => kind === 'result'),
        `a result of ${JSON.stringify(command.operation)}`,
      )
      if (reply.kind !== 'result') throw new Error('no result')
      return reply.result
    },
    output: ({ replies }) => {
      const pieces = replies.filter((reply) => reply.kind === 'output')
      let end = 0
      const parts: Uint8Array[] = []
      for (const { offset, bytes } of pieces.toSorted((a, b) => a.offset - b.offset)) {
        if (offset > end) throw new Error(`a hole from ${end} to ${offset}`)
        parts.push(bytes.subarray(Math.min(bytes.length, end - offset)))
        end = Math.max(end, offset + bytes.length)
      }
      return Buffer.concat(parts)
    },
    queued: async () => {
      const ids: string[] = []
      for await (const { id } of client.listMessages(queues.command, { includeClaimed: true })) {
        ids.push(id)
      }
      return ids.length
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await collecting
      await client.close()
    },
  }
  return controller
}
