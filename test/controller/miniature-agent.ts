import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Command } from '../../protocol/messages/command.ts'
import { Bootstrap, type Hello, type Welcome } from '../../protocol/messages/enrolment.ts'
import type { Result } from '../../protocol/messages/replies.ts'
import type { Report } from '../../protocol/messages/reports.ts'
import { type Envelope, readEnvelope } from '../../protocol/sealing/envelope.ts'
import { generatePrivateKey, importKey, type Key, publicPart } from '../../protocol/sealing/keys.ts'
import { openCommand } from '../../protocol/sealing/seal-command.ts'
import { openWelcome, sealHello } from '../../protocol/sealing/seal-enrolment.ts'
import { type Input, openInput } from '../../protocol/sealing/seal-input.ts'
import { type Reply, sealReply } from '../../protocol/sealing/seal-reply.ts'
import { sealReport } from '../../protocol/sealing/seal-report.ts'
import type { SignedUrl } from '../../protocol/signed-url/signed-url.ts'
import type { World } from '../../protocol/world.ts'
import { createZaqarClient, type ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import type { TestApi } from './test-controller.ts'

type Welcomed = Extract<Welcome, { verdict: 'welcome' }>

/** Just enough of an agent to see what a controller does: every step is a test's own. */
export interface MiniatureAgent extends AsyncDisposable {
  bootstrap: Bootstrap
  /** A sealed hello, for `post`. */
  hello: (differences?: Partial<Hello>) => Promise<Envelope>
  /** Posts a hello and waits for its answer on the lobby. */
  enrol: (differences?: Partial<Hello>) => Promise<Welcome>
  /** How many messages lie on the lobby, up to 100. */
  countLobby: () => Promise<number>
  /** The welcome of the last `enrol`. @throws when there was none. */
  welcomed: () => Welcomed
  /** Claims what is on the command queue, waiting for something, opens and acknowledges it. */
  take: () => Promise<(Command | (Input & { id: string }))[]>
  /** The next command; content that came before it is passed over. */
  takeCommand: () => Promise<Command>
  reply: (command: Command, ...replies: Reply[]) => Promise<void>
  report: (report: Report) => Promise<void>
  /** Posts anything on the return queue. */
  post: (...bodies: unknown[]) => Promise<void>
}

/** Has the controller make user-data, and reads the bootstrap out of it as a guest would. */
export async function readBootstrap(
  api: TestApi,
  cluster: string,
  instance?: string,
  more: { challenge?: boolean } = {},
): Promise<Bootstrap> {
  const request = { format: 'script', ...(instance === undefined ? {} : { instance }), ...more }
  const { body } = await api.post(`/v1/clusters/${cluster}/user-data`, request)
  const json = /^\{"v":1.*\}$/m.exec(z.string().parse(body['userData']))?.at(0)
  return Bootstrap.parse(JSON.parse(json ?? ''))
}

/** An agent with fresh keys. */
export async function createMiniatureAgent(
  bootstrap: Bootstrap,
  world: World,
  instanceUuid: string = 'a1b2c3d4-0000-4000-8000-00000000000a',
): Promise<MiniatureAgent> {
  const keys = {
    signing: await generatePrivateKey('Ed25519'),
    sealing: await generatePrivateKey('X25519'),
  }
  const own = { signing: await importKey(keys.signing), sealing: await importKey(keys.sealing) }
  const cluster = await importKey(bootstrap.commandKey)
  const zaqar = createZaqarClient(
    {
      endpoint: bootstrap.endpoint,
      clientId: '6b29fc40-ca47-1067-b31d-00dd010662da',
      projectId: 'unused',
      auth: { kind: 'none' },
    },
    world,
  )
  let last: Welcomed | undefined
  const open = new Map<string, Command>()

  const welcomed = () => {
    if (last === undefined) throw new Error('the agent was not welcomed')
    return last
  }
  const post = async (...bodies: unknown[]) => {
    const right = last?.credentials.reply ?? bootstrap.hello
    const messages = bodies.map((body) => ({ body, ttlSeconds: 3600 }))
    await zaqar.postMessages(queueOf(right), messages, { auth: { kind: 'signed', url: right } })
  }
  const take: MiniatureAgent['take'] = async () => {
    const { claim, acknowledge } = welcomed().credentials
    const queue = queueOf(claim)
    const claimed = await zaqar.claimMessages(queue, {
      limit: 20,
      waitSeconds: 20,
      auth: { kind: 'signed', url: claim },
    })
    await zaqar.deleteMessages(
      queue,
      claimed.messages.map(({ id }) => id),
      { auth: { kind: 'signed', url: acknowledge } },
    )
    const taken: (Command | (Input & { id: string }))[] = []
    for (const { body } of claimed.messages) {
      const message = readEnvelope(body)
      if (message.type === 'sahara-input') {
        const command = open.get(message.keyId)
        if (!command) throw new Error('input came before its command')
        taken.push({ ...(await openInput(message, command.replyKey)), id: command.id })
      } else {
        const command = await openCommand(message, { cluster, agent: own.sealing })
        open.set(command.id, command)
        taken.push(command)
      }
    }
    return taken
  }

  const aHello = (differences: Partial<Hello> = {}): Hello => ({
    v: 1,
    cluster: bootstrap.cluster,
    purpose: 'enrol',
    nonce: Uint8Array.from(world.randomBytes(16)),
    enrolmentSecret: bootstrap.enrolmentSecret,
    instanceUuid,
    signingKey: publicPart(keys.signing),
    sealingKey: publicPart(keys.sealing),
    sentAt: world.now(),
    agentVersion: '0.0.1',
    ...differences,
  })
  const sealOwn = async (hello: Hello) => {
    const enrolment = await importKey(bootstrap.enrolmentKey)
    return await sealHello(hello, { agentSigning: own.signing, enrolment })
  }

  return {
    bootstrap,
    welcomed,
    post,
    take,
    takeCommand: async () => {
      for (;;) {
        const command = (await take()).find((message) => 'operation' in message)
        if (command && 'operation' in command) return command
      }
    },
    reply: async (command, ...replies) => {
      await post(...(await Promise.all(replies.map((reply) => sealReply(reply, command)))))
    },
    report: async (report) => {
      const { instance, reportKey } = welcomed()
      await post(await sealReport(report, { id: instance, reportKey }))
    },
    countLobby: async () => {
      const auth = { kind: 'signed' as const, url: bootstrap.lobby }
      let count = 0
      let marker: string | undefined
      for (;;) {
        const page = await zaqar.listMessagePage(queueOf(bootstrap.lobby), { marker, auth })
        if (page.items.length === 0 || count >= 100) return count
        count += page.items.length
        marker = page.nextMarker
      }
    },
    hello: async (differences) => await sealOwn(aHello(differences)),
    enrol: async (differences) => {
      const hello = aHello(differences)
      const body = await sealOwn(hello)
      await zaqar.postMessages(queueOf(bootstrap.hello), [{ body, ttlSeconds: 60 }], {
        auth: { kind: 'signed', url: bootstrap.hello },
      })
      const answer = await findWelcome(zaqar, bootstrap.lobby, hello, { cluster, own: own.sealing })
      if (answer.verdict === 'welcome') last = answer
      return answer
    },
    [Symbol.asyncDispose]: async () => await zaqar.close(),
  }
}

async function findWelcome(
  zaqar: ZaqarClient,
  lobby: SignedUrl,
  hello: Hello,
  keys: { cluster: Key; own: Key },
): Promise<Welcome> {
  const nonce = Buffer.from(hello.nonce).toString('hex')
  let marker: string | undefined
  for (;;) {
    const page = await zaqar.listMessagePage(queueOf(lobby), {
      marker,
      waitSeconds: 10,
      auth: { kind: 'signed', url: lobby },
    })
    for (const { body } of page.items) {
      const message = readEnvelope(body)
      if (message.keyId !== keys.own.id) continue
      const welcome = await openWelcome(message, { cluster: keys.cluster, agent: keys.own })
      if (Buffer.from(welcome.nonce).toString('hex') === nonce) return welcome
    }
    marker = page.nextMarker ?? marker
  }
}

function queueOf({ paths }: SignedUrl): string {
  return paths.at(0)?.split('/').at(3) ?? ''
}

/** A result that fits these pieces of output. */
export function aResult(
  pieces: readonly { stream: 'stdout' | 'stderr' | 'content'; bytes: Uint8Array }[] = [],
  differences: Partial<Result> = {},
): Reply {
  const streams: Result['streams'] = {}
  for (const name of ['stdout', 'stderr', 'content'] as const) {
    const bytes = Buffer.concat(pieces.filter(({ stream }) => stream === name).map((p) => p.bytes))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    streams[name] = { size: bytes.length, sha256, droppedBytes: 0 }
  }
  const outputBytes = pieces.reduce((size, { bytes }) => size + bytes.length, 0)
  const result = {
    state: 'succeeded' as const,
    exitCode: 0,
    endedAt: new Date(),
    outputBytes,
    streams,
    survivors: [],
    answer: {},
    ...differences,
  }
  return { kind: 'result', result }
}

/** Pieces in order, as replies. */
export function outputOf(
  ...texts: readonly (readonly ['stdout' | 'stderr' | 'content', string])[]
): Extract<Reply, { kind: 'output' }>[] {
  let offset = 0
  return texts.map(([stream, text]) => {
    const bytes = new TextEncoder().encode(text)
    const piece = { kind: 'output' as const, offset, stream, bytes }
    offset += bytes.length
    return piece
  })
}
