import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Envelope, type MessageType, readEnvelope } from './envelope.ts'
import { generatePrivateKey, importKey, type Key, publicPart } from './keys.ts'
import { openCommand } from './seal-command.ts'
import { openHello, openWelcome } from './seal-enrolment.ts'
import { openInput } from './seal-input.ts'
import { openReply } from './seal-reply.ts'
import { openReport } from './seal-report.ts'
import { sealUnderKey } from './shared-key-seal.ts'
import { sealLetter } from './signed-letter.ts'

/** What a queue hands over may be anything: each decoder opens it, or says by code why it cannot; nothing else. */
const codes = ['ERR_SEAL_BROKEN', 'ERR_MESSAGE_VERSION', 'ERR_MESSAGE_MALFORMED']

const id = '019ab000-0000-7000-8000-000000000001'
const sharedKey = new Uint8Array(32).fill(7)
const noon = '2026-11-23T12:00:00.000Z'
const nonce = Buffer.alloc(16, 1).toString('base64url')
const key = Buffer.alloc(32, 7).toString('base64url')

interface Pair {
  open: Key
  lock: Key
  announced: object
}
let signer: Pair
let reader: Pair

beforeAll(async () => {
  signer = await aPair('Ed25519')
  reader = await aPair('X25519')
})

/** For each kind of message: a valid payload, how a peer that holds the right keys seals it, and how it is opened. */
interface Decoder {
  name: string
  payload: () => object
  seal: (payload: Uint8Array) => Promise<Envelope>
  open: (body: unknown) => Promise<unknown>
}

const letter = (type: MessageType) => async (payload: Uint8Array) =>
  await sealLetter(type, payload, { signer: signer.open, reader: reader.lock })
const bulk =
  (type: MessageType, place: Readonly<Record<string, unknown>> = {}) =>
  async (payload: Uint8Array) =>
    await sealUnderKey(payload, { type, keyId: id, place }, sharedKey)
const keys = (): { cluster: Key; agent: Key } => ({ cluster: signer.lock, agent: reader.open })

const decoders: Decoder[] = [
  {
    name: 'a command',
    payload: () => ({
      v: 1,
      id,
      cluster: id,
      instance: id,
      issuedAt: noon,
      startBy: noon,
      deadline: noon,
      timeoutSeconds: 60,
      replyKey: key,
      lane: 'a',
      content: { size: 1, sha256: 'a'.repeat(64) },
      operation: { name: 'exec', argv: ['true'], env: { A: 'b' } },
    }),
    seal: letter('sahara-command'),
    open: async (body) => openCommand(readEnvelope(body), keys()),
  },
  {
    name: 'a welcome',
    payload: () => {
      const url = {
        project: 'p',
        paths: ['/v2/queues/q/claims'],
        methods: ['POST'],
        expires: '2027-11-23T12:00:00',
        signature: 'a'.repeat(64),
      }
      const credentials = { endpoint: 'https://q.example', claim: url, acknowledge: url }
      return {
        verdict: 'welcome',
        v: 1,
        cluster: id,
        nonce,
        instance: id,
        instanceName: 'w',
        reportKey: key,
        credentials: { ...credentials, reply: url, lobby: url },
      }
    },
    seal: letter('sahara-welcome'),
    open: async (body) => openWelcome(readEnvelope(body), keys()),
  },
  {
    name: 'a hello',
    payload: () => ({
      v: 1,
      cluster: id,
      purpose: 'enrol',
      nonce,
      enrolmentSecret: key,
      instanceUuid: 'u',
      sealingKey: reader.announced,
      signingKey: signer.announced,
      sentAt: noon,
      agentVersion: '1',
    }),
    seal: letter('sahara-hello'),
    open: async (body) => openHello(readEnvelope(body), reader.open),
  },
  {
    name: 'a result',
    payload: () => ({
      state: 'failed',
      exitCode: 3,
      endedAt: noon,
      outputBytes: 3,
      reason: { code: 'c', message: 'm' },
      streams: { stdout: { size: 3, sha256: 'a'.repeat(64) } },
      survivors: [{ pid: 1, program: 'p' }],
    }),
    seal: bulk('sahara-reply', { kind: 'result' }),
    open: async (body) => openReply(readEnvelope(body), sharedKey),
  },
  {
    name: 'progress',
    payload: () => ({ contentBytes: 1 }),
    seal: bulk('sahara-reply', { kind: 'progress' }),
    open: async (body) => openReply(readEnvelope(body), sharedKey),
  },
  {
    name: 'a heartbeat',
    payload: () => ({
      kind: 'heartbeat',
      sequence: 1,
      at: noon,
      agentVersion: '1',
      bootId: 'b',
      uptimeSeconds: 1,
      running: [id],
      owed: 0,
      clockOffsetMs: 0,
    }),
    seal: bulk('sahara-report'),
    open: async (body) => openReport(readEnvelope(body), sharedKey),
  },
]

describe.for(decoders)('$name from the queue', ({ payload, seal, open }) => {
  test('opens as long as nobody has touched it', async () => {
    await open(await seal(toBytes(payload())))
  })

  test('that was changed in any one place is refused by code', async () => {
    const text = JSON.stringify(await seal(toBytes(payload())))
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), async (at, other) => {
        const changed = text.slice(0, at) + other + text.slice(at + 1)
        if (changed === text) return
        const body = tryToParse(changed)
        if (body !== undefined) await expectOpenedOrRefused(async () => open(body))
      }),
    )
  })

  test('with any payload under the right seal is read, or refused by code', async () => {
    const anyPayload = fc.oneof(
      fc.uint8Array(),
      fc.json({ maxDepth: 4 }).map((text) => new TextEncoder().encode(text)),
      disfigured(payload()).map(toBytes),
      fc.constant(toBytes({ ...payload(), v: 2 })),
      fc.constant(new TextEncoder().encode('['.repeat(50_000))),
    )
    await fc.assert(
      fc.asyncProperty(anyPayload, async (bytes) => {
        const envelope = await seal(bytes)
        await expectOpenedOrRefused(async () => open(envelope))
      }),
    )
  })
})

describe('messages under a shared key', () => {
  const anyPlace = fc.dictionary(
    fc.constantFrom('kind', 'offset', 'stream', 'zip', 'crit', '__proto__'),
    fc.oneof(fc.constantFrom('output', 'result', 'stdout', 'content'), fc.jsonValue()),
  )

  test('with any header that the right key sealed are read, or refused by code', async () => {
    await fc.assert(
      fc.asyncProperty(anyPlace, fc.uint8Array(), async (place, bytes) => {
        for (const type of ['sahara-reply', 'sahara-input', 'sahara-report'] as const) {
          let envelope: Envelope
          try {
            envelope = await bulk(type, place)(bytes)
          } catch {
            continue // The sealing library makes no such header.
          }
          for (const open of [openReply, openInput, openReport]) {
            await expectOpenedOrRefused(async () => open(readEnvelope(envelope), sharedKey))
          }
        }
      }),
    )
  })
})

/** A valid payload in which one value, at any depth, is another one or is missing. */
function disfigured(valid: object): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.constantFrom(...pathsOf(valid)), fc.option(fc.jsonValue(), { nil: undefined }))
    .map(([path, value]) => {
      const copy = structuredClone(valid)
      let inner: object = copy
      for (const step of path.slice(0, -1)) {
        const next: unknown = Reflect.get(inner, step)
        if (typeof next === 'object' && next !== null) inner = next
      }
      Reflect.set(inner, path.at(-1) ?? '', value)
      return copy
    })
}

function pathsOf(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => [
    [name],
    ...pathsOf(inner).map((path) => [name, ...path]),
  ])
}

async function expectOpenedOrRefused(open: () => Promise<unknown>): Promise<void> {
  try {
    await open()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (!codes.includes(String(code))) throw error
    expect(String(error)).not.toContain(key)
  }
}

async function aPair(curve: 'Ed25519' | 'X25519'): Promise<Pair> {
  const privateKey = await generatePrivateKey(curve)
  const announced = publicPart(privateKey)
  return { open: await importKey(privateKey), lock: await importKey(announced), announced }
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

function tryToParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
