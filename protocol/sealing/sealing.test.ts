import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Command } from '../messages/command.ts'
import { Hello, type Welcome } from '../messages/enrolment.ts'
import { type Envelope, readEnvelope } from './envelope.ts'
import { generatePrivateKey, importKey, type Key, publicPart } from './keys.ts'
import { openCommand, sealCommand } from './seal-command.ts'
import { openHello, openWelcome, sealHello, sealWelcome } from './seal-enrolment.ts'
import { openInput, sealInput } from './seal-input.ts'
import { openReply, type Reply, sealReply } from './seal-reply.ts'
import { openReport, sealReport } from './seal-report.ts'
import { sealLetter } from './signed-letter.ts'

const noon = new Date('2026-11-23T12:00:00.000Z')
const replyKey = new Uint8Array(32).fill(7)
const aCommand = (changes: Partial<Command> = {}): Command => ({
  v: 1,
  id: '019ab000-0000-7000-8000-000000000001',
  cluster: '019ab000-0000-7000-8000-00000000000c',
  instance: '019ab000-0000-7000-8000-00000000000a',
  issuedAt: noon,
  startBy: noon,
  deadline: noon,
  timeoutSeconds: 60,
  graceSeconds: 10,
  idempotent: false,
  replyKey,
  operation: { name: 'exec', argv: ['true'] },
  ...changes,
})

interface Pair {
  open: Key
  lock: Key
}
let cluster: Pair
let agent: Pair
let stranger: Pair
let strangerSigner: Pair

beforeAll(async () => {
  cluster = await aPair('Ed25519')
  agent = await aPair('X25519')
  stranger = await aPair('X25519')
  strangerSigner = await aPair('Ed25519')
})

describe('a sealed command', () => {
  test('is opened by the agent it was sealed to, with every field as it was', async () => {
    const envelope = await sealCommand(aCommand(), { cluster: cluster.open, agent: agent.lock })
    const message = readEnvelope(throughJson(envelope))
    expect(message).toMatchObject({ type: 'sahara-command', keyId: agent.lock.id })
    expect(await openCommand(message, keys())).toEqual(aCommand())
  })

  test('shows nothing of its content to whoever keeps the queue', async () => {
    const secret = aCommand({ operation: { name: 'exec', argv: ['print', 'tenant-secret'] } })
    const envelope = await sealCommand(secret, { cluster: cluster.open, agent: agent.lock })
    expect(everyDecoding(envelope)).not.toMatch(/tenant-secret|argv|exec/)
  })

  test('does not open for another agent', async () => {
    const envelope = await sealCommand(aCommand(), { cluster: cluster.open, agent: agent.lock })
    const opening = openCommand(readEnvelope(envelope), {
      cluster: cluster.lock,
      agent: stranger.open,
    })
    await expect(opening).rejects.toMatchObject({ code: 'ERR_SEAL_BROKEN' })
  })

  test('is refused when a stranger signed it, though he knew the public key of the agent', async () => {
    const forged = await sealCommand(aCommand(), {
      cluster: strangerSigner.open,
      agent: agent.lock,
    })
    await expect(openCommand(readEnvelope(forged), keys())).rejects.toMatchObject({
      code: 'ERR_SEAL_BROKEN',
    })
  })

  test('is refused when one character anywhere in it was changed', async () => {
    const envelope = await sealCommand(aCommand(), { cluster: cluster.open, agent: agent.lock })
    await fc.assert(
      fc.asyncProperty(fc.nat(envelope.sealed.length - 1), async (at) => {
        const sealed = changeCharacter(envelope.sealed, at)
        expect(
          await codeOf(async () => openCommand(readEnvelope({ v: 1, sealed }), keys())),
        ).toMatch(/^ERR_(SEAL_BROKEN|MESSAGE_MALFORMED)$/)
      }),
      { numRuns: 150 },
    )
  })

  test('is refused when it was cut off anywhere', async () => {
    const envelope = await sealCommand(aCommand(), { cluster: cluster.open, agent: agent.lock })
    await fc.assert(
      fc.asyncProperty(fc.nat(envelope.sealed.length - 1), async (length) => {
        const sealed = envelope.sealed.slice(0, length)
        expect(
          await codeOf(async () => openCommand(readEnvelope({ v: 1, sealed }), keys())),
        ).toMatch(/^ERR_(SEAL_BROKEN|MESSAGE_MALFORMED)$/)
      }),
      { numRuns: 50 },
    )
  })

  test('of another version is told apart from a broken one, outside and inside the seal', async () => {
    const envelope = await sealCommand(aCommand({ v: 2 }), {
      cluster: cluster.open,
      agent: agent.lock,
    })
    expect(() => readEnvelope({ ...envelope, v: 2 })).toThrow(/protocol version 2/)
    await expect(openCommand(readEnvelope(envelope), keys())).rejects.toMatchObject({
      code: 'ERR_MESSAGE_VERSION',
    })
  })
})

describe('what is not an envelope of ours', () => {
  test('is malformed, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        expect(() => readEnvelope(body)).toThrow(/envelope|version|JWE|header/)
      }),
    )
  })
})

describe('a welcome', () => {
  test('can never serve as a command, though the same key signed it for the same agent', async () => {
    const welcome: Welcome = {
      verdict: 'refused',
      v: 1,
      cluster: aCommand().cluster,
      nonce: new Uint8Array(16),
      reason: { code: 'key-pinned', message: 'another key is pinned' },
    }
    const envelope = await sealWelcome(welcome, { cluster: cluster.open, agent: agent.lock })
    const message = readEnvelope(envelope)
    expect(await openWelcome(message, keys())).toEqual(welcome)
    const renamed = { ...message, type: 'sahara-command' } as const
    await expect(openCommand(renamed, keys())).rejects.toMatchObject({ code: 'ERR_SEAL_BROKEN' })
  })
})

describe('a hello', () => {
  test('proves that its sender holds the key it announces', async () => {
    const own = await generatePrivateKey('Ed25519')
    const hello = await aHello(publicPart(own))
    const good = await sealHello(hello, {
      agentSigning: await importKey(own),
      enrolment: agent.lock,
    })
    expect(await openHello(readEnvelope(good), agent.open)).toEqual(hello)
    const borrowed = await sealHello(hello, {
      agentSigning: strangerSigner.open,
      enrolment: agent.lock,
    })
    await expect(openHello(readEnvelope(borrowed), agent.open)).rejects.toMatchObject({
      code: 'ERR_SEAL_BROKEN',
    })
  })

  test('that announces a signing key which is none is a broken seal, not an error of a library', async () => {
    const own = await generatePrivateKey('Ed25519')
    const hello = await aHello({ kty: 'OKP', crv: 'Ed25519', x: 'AAAA' })
    const envelope = await sealHello(hello, {
      agentSigning: await importKey(own),
      enrolment: agent.lock,
    })
    await expect(openHello(readEnvelope(envelope), agent.open)).rejects.toMatchObject({
      code: 'ERR_SEAL_BROKEN',
    })
  })

  test.for([
    ['is too short', 'AAAA'],
    ['has low order, so that no secret can be agreed on', 'A'.repeat(43)],
    ['is spelled in another way', `${'B'.repeat(42)}B`],
  ] as const)('is refused when its sealing key %s', async ([, x]) => {
    const own = await generatePrivateKey('Ed25519')
    const hello = { ...(await aHello(publicPart(own))), sealingKey: aSealingKey(x) }
    const envelope = await sealHello(hello, {
      agentSigning: await importKey(own),
      enrolment: agent.lock,
    })
    await expect(openHello(readEnvelope(envelope), agent.open)).rejects.toMatchObject({
      code: 'ERR_SEAL_BROKEN',
    })
  })

  test('that carries a private key is refused', async () => {
    const own = await generatePrivateKey('Ed25519')
    const hello = z.encode(Hello, await aHello(publicPart(own)))
    const leaky = JSON.stringify({ ...hello, signingKey: own })
    const envelope = await sealLetter('sahara-hello', new TextEncoder().encode(leaky), {
      signer: await importKey(own),
      reader: agent.lock,
    })
    await expect(openHello(readEnvelope(envelope), agent.open)).rejects.toMatchObject({
      code: 'ERR_MESSAGE_MALFORMED',
    })
  })
})

describe('replies, input and reports under a shared key', () => {
  const command = { id: aCommand().id, replyKey }

  test.for<Reply>([
    { kind: 'accepted', accepted: { at: noon } },
    { kind: 'progress', progress: { contentBytes: 12 } },
    { kind: 'output', offset: 0, stream: 'stderr', bytes: new Uint8Array([0, 255, 10]) },
    {
      kind: 'result',
      result: {
        state: 'failed',
        exitCode: 3,
        endedAt: noon,
        outputBytes: 3,
        streams: { stderr: { size: 3, sha256: 'a'.repeat(64), droppedBytes: 0 } },
        survivors: [],
        answer: {},
      },
    },
  ])('open as they were sealed: $kind', async (reply) => {
    const message = readEnvelope(throughJson(await sealReply(reply, command)))
    expect(message).toMatchObject({ type: 'sahara-reply', keyId: command.id })
    expect(await openReply(message, replyKey)).toEqual(reply)
  })

  test('carry any bytes at any offset', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.nat(), async (bytes, offset) => {
        const reply: Reply = { kind: 'output', offset, stream: 'stdout', bytes }
        expect(await openReply(readEnvelope(await sealReply(reply, command)), replyKey)).toEqual(
          reply,
        )
        const input = await sealInput({ offset, bytes }, command)
        expect(await openInput(readEnvelope(input), replyKey)).toEqual({ offset, bytes })
      }),
      { numRuns: 50 },
    )
  })

  test('do not open under another key', async () => {
    const sealed = await sealReply({ kind: 'accepted', accepted: { at: noon } }, command)
    await expect(openReply(readEnvelope(sealed), new Uint8Array(32))).rejects.toMatchObject({
      code: 'ERR_SEAL_BROKEN',
    })
  })

  test('cannot be moved to another offset, since the place is part of the seal', async () => {
    const sealed = await sealInput({ offset: 100, bytes: new Uint8Array(4) }, command)
    const [header = '', ...rest] = sealed.sealed.split('.')
    const moved = Buffer.from(header, 'base64url').toString().replace('100', '200')
    const message = readEnvelope({
      v: 1,
      sealed: [Buffer.from(moved).toString('base64url'), ...rest].join('.'),
    })
    await expect(openInput(message, replyKey)).rejects.toMatchObject({ code: 'ERR_SEAL_BROKEN' })
  })

  test('a heartbeat comes back as it was', async () => {
    const report = {
      kind: 'heartbeat',
      sequence: 4,
      at: noon,
      agentVersion: '1.0.0',
      bootId: 'b',
      uptimeSeconds: 1.5,
      running: [],
      owed: 0,
      clockOffsetMs: -3,
    } as const
    const sealed = await sealReport(
      { ...report, running: [] },
      { id: aCommand().instance, reportKey: replyKey },
    )
    expect(await openReport(readEnvelope(sealed), replyKey)).toEqual(report)
  })
})

function keys(): { cluster: Key; agent: Key } {
  return { cluster: cluster.lock, agent: agent.open }
}

async function aPair(curve: 'Ed25519' | 'X25519'): Promise<Pair> {
  const privateKey = await generatePrivateKey(curve)
  return { open: await importKey(privateKey), lock: await importKey(publicPart(privateKey)) }
}

async function aHello(signingKey: Hello['signingKey']): Promise<Hello> {
  return {
    v: 1,
    cluster: aCommand().cluster,
    purpose: 'enrol',
    nonce: new Uint8Array(16).fill(1),
    enrolmentSecret: new Uint8Array(32).fill(2),
    instanceName: 'worker-1',
    instanceUuid: 'uuid-1',
    sealingKey: publicPart(await generatePrivateKey('X25519')),
    signingKey,
    sentAt: noon,
    agentVersion: '1.0.0',
  }
}

function aSealingKey(x: string): Hello['sealingKey'] {
  return { kty: 'OKP', crv: 'X25519', x }
}

function throughJson(envelope: Envelope): unknown {
  return JSON.parse(JSON.stringify(envelope))
}

/** Turns the highest bit of one base64url character, which always changes a byte (the lowest ones may be padding). */
function changeCharacter(text: string, at: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const changed = alphabet[alphabet.indexOf(text[at] ?? '') ^ 32]
  return text.slice(0, at) + changed + text.slice(at + 1)
}

/** All that a reader without keys can make of an envelope: the text itself and each part decoded. */
function everyDecoding({ sealed }: Envelope): string {
  return [
    sealed,
    ...sealed.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1')),
  ].join('\n')
}

async function codeOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action()
    return 'opened'
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}
