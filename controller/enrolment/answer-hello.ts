import type { Hello, Welcome } from '../../protocol/messages/enrolment.ts'
import { protocolVersion } from '../../protocol/messages/wire-types.ts'
import { importKey, keyId } from '../../protocol/sealing/keys.ts'
import { sealWelcome } from '../../protocol/sealing/seal-enrolment.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import { newQueueName, uuidV7 } from '../ids.ts'
import { retireInstance } from '../instances/retire-instance.ts'
import { raiseAlert } from '../store/alerts.ts'
import type { Cluster } from '../store/clusters.ts'
import { findEnrolmentSecret } from '../store/enrolment-secrets.ts'
import {
  countInstances,
  findInstance,
  findInstanceByKey,
  findInstanceByUuid,
  forgottenAt,
  type Instance,
  insertInstance,
  noteAgent,
  pinInstance,
  readInstance,
  readReportKey,
} from '../store/instances.ts'
import { noteCredentials } from '../store/renewals.ts'
import { subscribeGateway } from '../subscriptions/subscribe-gateway.ts'
import type { AnsweredHellos } from './answered-hellos.ts'
import { isChallengeMet } from './challenge.ts'
import { type HelloVerdict, judgeHello, type Known } from './judge-hello.ts'
import { mintCredentials } from './mint-credentials.ts'
import type { RefusalBudget } from './refusal-budget.ts'

/** How long an answer lies on the lobby, in seconds; an agent that comes later asks again. */
const welcomeTtlSeconds = 600

/** What is remembered of hellos, so that answers are no weapon. */
interface HelloMemory {
  answered: AnsweredHellos
  refusals: RefusalBudget
}

/**
 * Answers a hello over the lobby, once; of refusals only some.
 *
 * @returns when the instance's credentials are to be renewed; `undefined` for one that was not welcomed.
 * @throws {ZaqarError | StoreWriteError} it was not answered, and is to be tried again.
 */
export async function answerHello(
  context: Context,
  { departures, memory }: { departures: Departures; memory: HelloMemory },
  cluster: Cluster,
  hello: Hello,
  signal: AbortSignal,
): Promise<Date | undefined> {
  const keyIds = { signing: await keyId(hello.signingKey), sealing: await keyId(hello.sealingKey) }
  // Before anything is decided: a replay moves no renewal, mints nothing, and says nothing.
  if (!memory.answered.begin(keyIds.signing, hello.nonce)) return undefined
  let renewAt: Date | undefined
  try {
    const admission = await decide(context, departures, cluster, hello, keyIds)
    renewAt =
      'refused' in admission
        ? await refuse(context, memory.refusals, cluster, hello, admission.refused, signal)
        : await welcome(context, cluster, hello, admission.instance, signal)
    return renewAt
  } finally {
    if (renewAt === undefined) memory.answered.abandon(keyIds.signing, hello.nonce)
  }
}

async function decide(
  context: Context,
  departures: Departures,
  cluster: Cluster,
  hello: Hello,
  keyIds: { signing: string; sealing: string },
): Promise<Admission> {
  const pinnedSealing = await pinnedSealingKeyId(context, cluster, keyIds.signing)
  return await context.store.write(() => {
    const known = gatherKnown(context, cluster, hello, { ...keyIds, pinnedSealing })
    return admit(context, departures, cluster, hello, keyIds.signing, judgeHello(hello, known))
  })
}

async function refuse(
  context: Context,
  refusals: RefusalBudget,
  cluster: Cluster,
  hello: Hello,
  reason: { code: string; message: string },
  signal: AbortSignal,
): Promise<undefined> {
  if (!refusals.take(cluster.id, reason.code)) return
  context.log.warn({ cluster: cluster.name, code: reason.code }, 'an enrolment was refused')
  const refusal = (place: Place) => ({ ...place, verdict: 'refused', reason }) as const
  await postWelcome(context, cluster, hello, refusal, signal)
}

type Admission = { instance: Instance } | { refused: { code: string; message: string } }

/** Books what was decided. Call it inside `write`. */
function admit(
  context: Context,
  departures: Departures,
  cluster: Cluster,
  hello: Hello,
  signingKeyId: string,
  verdict: HelloVerdict,
): Admission {
  switch (verdict.do) {
    case 'answer':
      return { instance: verdict.instance }
    case 'pin':
      return pin(context, verdict.instance.id, hello, signingKeyId)
    case 'create':
      if (verdict.namesake) raiseNameTaken(context, hello, verdict.name, verdict.namesake)
      return pin(context, insertNew(context, cluster, verdict.name), hello, signingKeyId)
    case 'replace': {
      // A new id and a new queue: nothing that was meant for the old key can reach the new one.
      retireInstance(context, departures, verdict.instance, { forgotten: false })
      return pin(context, insertNew(context, cluster, verdict.instance.name), hello, signingKeyId)
    }
    case 'refuse':
      raiseRefusal(context, hello, verdict)
      return { refused: { code: verdict.code, message: verdict.message } }
  }
}

async function welcome(
  context: Context,
  cluster: Cluster,
  hello: Hello,
  instance: Instance,
  signal: AbortSignal,
): Promise<Date | undefined> {
  const { config, store } = context
  const { credentials, expireAt, renewAt } = await mintCredentials(
    context,
    cluster,
    instance,
    signal,
  )
  const reportKey = readReportKey(store, instance.id)
  // It was forgotten meanwhile.
  if (reportKey === undefined) return undefined
  const answer = (place: Place): Welcome => ({
    ...place,
    verdict: 'welcome',
    instance: instance.id,
    instanceName: instance.name,
    reportKey: Uint8Array.from(reportKey),
    credentials,
    heartbeatSeconds: config.heartbeatSeconds,
  })
  // Before it is welcome: its first command is to find it waiting at the gateway.
  await subscribeGateway(context, instance, signal)
  await postWelcome(context, cluster, hello, answer, signal)
  await store.write(() => {
    const now = context.world.now()
    noteCredentials(store, instance.id, { expireAt, renewAt, now })
    noteAgent(store, instance.id, { agentVersion: hello.agentVersion, now })
  })
  context.log.info(
    { cluster: cluster.name, instance: instance.name, purpose: hello.purpose },
    'an instance got its credentials',
  )
  return renewAt
}

/** What a welcome has whatever it says: it proves for which hello it is. */
type Place = Pick<Welcome, 'v' | 'cluster' | 'nonce'>

async function postWelcome(
  { keyring, queue }: Context,
  cluster: Cluster,
  hello: Hello,
  write: (place: Place) => Welcome,
  signal: AbortSignal,
): Promise<void> {
  const { signing } = await keyring.keysOf(cluster.id)
  const agent = await importKey(hello.sealingKey)
  const answer = write({ v: protocolVersion, cluster: cluster.id, nonce: hello.nonce })
  const body = await sealWelcome(answer, { cluster: signing, agent })
  await queue.postMessages(cluster.lobbyQueue, [{ body, ttlSeconds: welcomeTtlSeconds }], {
    signal,
  })
}

function gatherKnown(
  { config, store, world }: Context,
  cluster: Cluster,
  hello: Hello,
  keyIds: { signing: string; sealing: string; pinnedSealing: string | undefined },
): Known {
  const secret = hello.enrolmentSecret && findEnrolmentSecret(store, hello.enrolmentSecret)
  return {
    now: world.now(),
    secret: secret?.clusterId === cluster.id ? secret : undefined,
    isChallengeMet: isChallengeMet(store, cluster.id, hello),
    signingKeyId: keyIds.signing,
    isSealingKeyPinned: () => keyIds.sealing === keyIds.pinnedSealing,
    byKey: findInstanceByKey(store, cluster.id, keyIds.signing),
    forgottenAt: forgottenAt(store, cluster.id, keyIds.signing),
    byUuid: findInstanceByUuid(store, cluster.id, hello.instanceUuid),
    byName: (name) => findInstance(store, cluster.id, name),
    instanceCount: countInstances(store, cluster.id),
    instanceLimit: config.limits.instancesPerCluster,
  }
}

async function pinnedSealingKeyId({ store }: Context, cluster: Cluster, signingKeyId: string) {
  const pinned = findInstanceByKey(store, cluster.id, signingKeyId)?.sealingKey
  return pinned ? await keyId(pinned) : undefined
}

function insertNew({ store, world }: Context, cluster: Cluster, name: string): string {
  const id = uuidV7(world)
  insertInstance(store, {
    id,
    clusterId: cluster.id,
    name,
    createdAt: world.now(),
    commandQueue: newQueueName('c', world),
  })
  return id
}

function pin({ store, world }: Context, id: string, hello: Hello, signingKeyId: string): Admission {
  pinInstance(store, id, {
    instanceUuid: hello.instanceUuid,
    signingKeyId,
    sealingKey: hello.sealingKey,
    reportKey: world.randomBytes(32),
    now: world.now(),
  })
  const instance = readInstance(store, id)
  if (instance === undefined) throw new Error('an instance vanished inside one transaction')
  return { instance }
}

/** With the whole cluster's secret a name is whoever's comes first: that the right one came second is for a person to see. */
function raiseNameTaken(
  { store, world }: Context,
  { instanceUuid }: Hello,
  name: string,
  namesake: Instance,
): void {
  const who = JSON.stringify(instanceUuid)
  const message = `an instance with UUID ${who} wants this name as well, and is called "${name}"; see by their UUIDs which is which`
  raiseAlert(store, namesake.id, { at: world.now(), code: 'name-taken', message })
}

function raiseRefusal(
  { store, world }: Context,
  hello: Hello,
  { code, message, alertOn }: Extract<HelloVerdict, { do: 'refuse' }>,
): void {
  if (alertOn === undefined) return
  const who = JSON.stringify(hello.instanceUuid)
  const alert = { at: world.now(), code, message: `enrolment of ${who} refused: ${message}` }
  raiseAlert(store, alertOn.id, alert)
}
