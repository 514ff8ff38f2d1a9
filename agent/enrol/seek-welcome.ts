import { hostname } from 'node:os'
import type { Hello, Welcome } from '../../protocol/messages/enrolment.ts'
import { readEnvelope } from '../../protocol/sealing/envelope.ts'
import { importKey, publicPart } from '../../protocol/sealing/keys.ts'
import { openWelcome, sealHello } from '../../protocol/sealing/seal-enrolment.ts'
import type { World } from '../../protocol/world.ts'
import type { ZaqarClient } from '../../protocol/zaqar/zaqar-client.ts'
import { agentVersion } from '../agent-version.ts'
import type { ServerClock } from '../clock/server-clock.ts'
import { type Connect, queueNamed } from '../connect.ts'
import { describeError, type Log } from '../log.ts'
import type { Lookout } from '../network/lookout.ts'
import type { Door } from './door.ts'
import {
  advanceEnrolment,
  type EnrolmentEvent,
  type EnrolmentState,
  type WelcomeIn,
} from './enrolment-state.ts'
import type { Identity } from './identity.ts'
import type { ChallengeReading } from './read-challenge.ts'

/** What the exchange needs. */
export interface SeekParts {
  identity: Identity
  /** Its keys were made just now: no controller has pinned them. */
  isNewIdentity: boolean
  connect: Connect
  /** Ends a rest when the network has come back. */
  lookout: Lookout
  clock: ServerClock
  world: World
  log: Log
  /** The doors there are just now; called anew for each attempt, as the bootstrap file may come or change. */
  findDoor: (attempt: number) => Promise<Door | undefined>
  /** The challenge in this server's metadata, for a door that needs one; called anew for each attempt. */
  readChallenge: (signal: AbortSignal) => Promise<ChallengeReading>
  /** Told each state, for `status`. */
  onState?: (state: EnrolmentState['name']) => void
}

/** What this exchange has said and heard so far. */
interface Said {
  nonces: string[]
  /** Without a challenge no hello is said. */
  mustShowChallenge: boolean
}

/** A welcome lies in the lobby only for a while, and hellos are few: so many nonces are enough. */
const rememberedNonces = 16
/** How long the lobby may hold a request open, in seconds. */
const longestWaitSeconds = 30
/** Between two looks into a lobby that does not wait, in milliseconds. */
const glanceMs = 1000
const helloTtlSeconds = 300

/**
 * Says hello until it is welcomed. A refusal is not the end: an operator may allow the enrolment later, and a guest agent
 * that gives up is a lost guest.
 *
 * @throws the signal's reason.
 */
export async function seekWelcome(
  purpose: Hello['purpose'],
  parts: SeekParts,
  signal: AbortSignal,
): Promise<{ welcome: WelcomeIn; door: Door }> {
  // A controller that has pinned these keys, whose welcome was lost here, asks for no challenge again; that of the
  // metadata may long be gone.
  const said: Said = { nonces: [], mustShowChallenge: parts.isNewIdentity }
  let state: EnrolmentState = { name: 'looking', attempt: 1 }
  while (state.name !== 'welcomed') {
    parts.onState?.(state.name)
    const event: EnrolmentEvent = await actOn(state, purpose, said, parts, signal)
    signal.throwIfAborted()
    said.mustShowChallenge ||= isRefusedWithoutChallenge(event)
    state = advanceEnrolment(state, event, parts.world.random)
  }
  parts.onState?.(state.name)
  return { welcome: state.welcome, door: state.door }
}

async function actOn(
  state: Exclude<EnrolmentState, { name: 'welcomed' }>,
  purpose: Hello['purpose'],
  said: Said,
  parts: SeekParts,
  signal: AbortSignal,
): Promise<EnrolmentEvent> {
  switch (state.name) {
    case 'looking': {
      const door = await parts.findDoor(state.attempt)
      return door ? { kind: 'found', door } : { kind: 'nothing-found' }
    }
    case 'greeting': {
      const isNeeded = purpose === 'enrol' && state.door.needsChallenge
      const reading = isNeeded ? await parts.readChallenge(signal) : undefined
      if (reading?.kind === 'missing' && said.mustShowChallenge) return { kind: 'no-challenge' }
      const challenge = reading?.kind === 'found' ? reading.challenge : undefined
      return await atDoor(state, parts, async (client) => {
        const hello = writeHello(purpose, state.door, challenge, parts)
        await postHello(hello, state.door, said.nonces, parts, client, signal)
        return { kind: 'posted' }
      })
    }
    case 'listening':
      return await atDoor(state, parts, async (client) => {
        const welcome = await listen(state, said.nonces, parts, client, signal)
        return welcome ? { kind: 'answered', welcome } : { kind: 'silence' }
      })
    case 'resting':
      await rest(state.delayMs, parts, signal)
      return { kind: 'rested' }
  }
}

function isRefusedWithoutChallenge(event: EnrolmentEvent): boolean {
  if (event.kind !== 'answered' || event.welcome.verdict !== 'refused') return false
  return event.welcome.reason.code === 'challenge-missing'
}

async function rest(
  delayMs: number,
  { world, lookout }: SeekParts,
  signal: AbortSignal,
): Promise<void> {
  const either = new AbortController()
  const over = AbortSignal.any([signal, either.signal])
  try {
    await Promise.race([world.sleep(delayMs, over), lookout.untilBack(over)])
  } finally {
    either.abort()
  }
}

/** Any failure at a door, an outage or a refusal, is answered by trying again later, perhaps at another one. */
async function atDoor(
  { door, attempt }: { door: Door; attempt: number },
  { connect, log }: SeekParts,
  act: (client: ZaqarClient) => Promise<EnrolmentEvent>,
): Promise<EnrolmentEvent> {
  await using client = connect(door)
  try {
    return await act(client)
  } catch (error) {
    log.warn({ attempt, ...describeError(error) }, 'the controller could not be reached')
    return { kind: 'failed' }
  }
}

function writeHello(
  purpose: Hello['purpose'],
  door: Door,
  challenge: Hello['challenge'],
  { identity, clock, world }: SeekParts,
): Hello {
  const { enrolmentSecret, instanceName } = door
  return {
    v: 1,
    cluster: door.cluster,
    purpose,
    nonce: new Uint8Array(world.randomBytes(24)),
    ...(purpose === 'enrol' && enrolmentSecret ? { enrolmentSecret } : {}),
    ...(challenge === undefined ? {} : { challenge }),
    ...(instanceName === undefined ? {} : { instanceName }),
    instanceUuid: identity.instanceUuid,
    sealingKey: publicPart(identity.keys.sealingKey),
    signingKey: publicPart(identity.keys.signingKey),
    sentAt: clock.now(),
    agentVersion,
    hostName: hostname().slice(0, 255),
  }
}

async function postHello(
  hello: Hello,
  door: Door,
  nonces: string[],
  { identity, log }: SeekParts,
  client: ZaqarClient,
  signal: AbortSignal,
): Promise<void> {
  nonces.push(Buffer.from(hello.nonce).toString('hex'))
  nonces.splice(0, nonces.length - rememberedNonces)
  const enrolment = await importKey(door.enrolmentKey)
  const body = await sealHello(hello, { agentSigning: identity.signingKey, enrolment })
  await client.postMessages(queueNamed(door.hello), [{ body, ttlSeconds: helloTtlSeconds }], {
    auth: { kind: 'signed', url: door.hello },
    signal,
  })
  log.info({ purpose: hello.purpose, cluster: door.cluster }, 'said hello to the controller')
}

/** Lists the lobby until an answer is there, or patience ends. */
async function listen(
  { door, patienceMs }: { door: Door; patienceMs: number },
  nonces: readonly string[],
  parts: SeekParts,
  client: ZaqarClient,
  signal: AbortSignal,
): Promise<Welcome | undefined> {
  const { world } = parts
  const endMs = world.monotonicMs() + patienceMs
  // The lobby of a large cluster is long, and stock Zaqar's markers may lead back to its beginning.
  const seen = new Set<string>()
  let marker: string | undefined
  for (let leftMs = patienceMs; leftMs > 0; leftMs = endMs - world.monotonicMs()) {
    const page = await client.listMessagePage(queueNamed(door.lobby), {
      auth: { kind: 'signed', url: door.lobby },
      marker,
      waitSeconds: Math.min(longestWaitSeconds, Math.ceil(leftMs / 1000)),
      signal,
    })
    marker = page.nextMarker ?? marker
    const fresh = page.items.filter(({ id }) => !seen.has(id))
    for (const { id, body } of fresh) {
      seen.add(id)
      const welcome = await readWelcome(body, door, nonces, parts)
      if (welcome) return welcome
    }
    const tookMs = leftMs - (endMs - world.monotonicMs())
    if (fresh.length === 0 && tookMs < glanceMs) {
      await world.sleep(Math.ceil((0.5 + world.random() / 2) * glanceMs), signal)
    }
  }
  return undefined
}

/** Opens a message of the lobby, if it is for us and answers one of our hellos: an old or a forged one is passed by. */
async function readWelcome(
  body: unknown,
  door: Door,
  nonces: readonly string[],
  { identity, log }: SeekParts,
): Promise<Welcome | undefined> {
  try {
    const message = readEnvelope(body)
    if (message.type !== 'sahara-welcome' || message.keyId !== identity.sealingKey.id) return
    const cluster = await importKey(door.commandKey)
    const welcome = await openWelcome(message, { cluster, agent: identity.sealingKey })
    if (welcome.cluster !== door.cluster) return
    const nonce = Buffer.from(welcome.nonce).toString('hex')
    if (!nonces.includes(nonce)) return
    if (welcome.verdict === 'refused') {
      // Earlier refusals still lie in the lobby; they say nothing about the newest hello.
      if (nonce !== nonces.at(-1)) return
      const { code, message: why } = welcome.reason
      log.error({ reason: code }, `the controller refuses this agent: ${why}`)
    }
    return welcome
  } catch (error) {
    log.debug(describeError(error), 'a message in the lobby is not for us')
    return undefined
  }
}
