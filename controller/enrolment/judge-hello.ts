import type { Hello } from '../../protocol/messages/enrolment.ts'
import { Name } from '../../protocol/messages/wire-types.ts'
import type { EnrolmentSecret } from '../store/enrolment-secrets.ts'
import type { Instance } from '../store/instances.ts'

/** What the controller knows when a hello comes. */
export interface Known {
  now: Date
  /** The secret that the hello shows, if it is one of this cluster's. */
  secret: EnrolmentSecret | undefined
  /** The hello shows the challenge of the instance whose UUID it tells. */
  isChallengeMet: boolean
  /** RFC 7638 thumbprint of the hello's Ed25519 key. */
  signingKeyId: string
  /** Whether the sealing key is the one pinned with it. */
  isSealingKeyPinned: (instance: Instance) => boolean
  /** The instance whose pinned key this is. */
  byKey: Instance | undefined
  /** When an operator had the instance of this key forgotten. */
  forgottenAt: Date | undefined
  byUuid: Instance | undefined
  byName: (name: string) => Instance | undefined
  instanceCount: number
  instanceLimit: number
}

/**
 * What becomes of a hello.
 *
 * - `answer`: its key is pinned already; it gets its credentials (again).
 * - `pin`: its key becomes the expected instance's.
 * - `replace`: an operator has allowed that its key takes the place of the pinned one.
 * - `create`: it becomes a new instance of this name. `namesake` has the name that it wanted, and a person should know.
 * - `refuse`: `alertOn` is the instance of which a person should know it.
 */
export type HelloVerdict =
  | { do: 'answer'; instance: Instance }
  | { do: 'pin'; instance: Instance }
  | { do: 'replace'; instance: Instance }
  | { do: 'create'; name: string; namesake?: Instance }
  | { do: 'refuse'; code: RefusalCode; message: string; alertOn: Instance | undefined }

type RefusalCode =
  | 'secret-refused'
  | 'challenge-missing'
  | 'key-pinned'
  | 'uuid-taken'
  | 'unknown-instance'
  | 'instance-forgotten'
  | 'too-many-instances'

/**
 * Decides about a hello that was proved to come from the holder of its keys. Pure.
 *
 * Where the secret needs a challenge, only the Nova server of that UUID can show it, and so come first. The first key for
 * an instance is pinned. A second one is refused, so that a thief of user-data who comes second gets
 * nothing, and one who comes first is noticed when the real instance is refused.
 */
export function judgeHello(hello: Hello, known: Known): HelloVerdict {
  const { byKey, secret } = known
  const isForAnother = secret?.instanceName != null && secret.instanceName !== byKey?.name
  if (byKey && known.isSealingKeyPinned(byKey) && !isForAnother) {
    return { do: 'answer', instance: byKey }
  }
  if (hello.purpose === 'renew') {
    return refuse('unknown-instance', 'no instance of this cluster has this key', known.byUuid)
  }
  if (secret === undefined || secret.expiresAt <= known.now) {
    const why = secret === undefined ? 'is not one of this cluster' : 'has expired'
    const claimed = hello.instanceName === undefined ? undefined : known.byName(hello.instanceName)
    return refuse('secret-refused', `the enrolment secret ${why}`, claimed ?? known.byUuid)
  }
  if (known.forgottenAt !== undefined && secret.createdAt <= known.forgottenAt) {
    return refuse(
      'instance-forgotten',
      'this key was forgotten; make new user-data for it',
      undefined,
    )
  }
  if (secret.needsChallenge && !known.isChallengeMet) {
    // Before anything is said about who is there: only the server of this UUID can read its challenge.
    const message =
      'it does not show the challenge in the metadata of the server that it says it is'
    return refuse('challenge-missing', message, known.byUuid)
  }
  return secret.instanceName === null
    ? judgeAnyInstance(hello, known)
    : judgeNamedInstance(secret.instanceName, known)
}

/** The secret is for one instance, whose name was settled when the user-data was made. */
function judgeNamedInstance(name: string, known: Known): HelloVerdict {
  const { byUuid } = known
  // Sahara finds an instance by its UUID: whoever could claim another's would get its commands.
  if (byUuid && byUuid.name !== name) {
    const message = `its UUID is that of instance "${byUuid.name}", and it would be "${name}"; set another \`instanceUuid\` in its agent.yaml and restart it, or forget "${byUuid.name}"`
    return refuse('uuid-taken', message, byUuid)
  }
  const instance = known.byName(name)
  if (instance === undefined) return judgeNew(name, known)
  if (instance.enrolledAt === null) return { do: 'pin', instance }
  return judgeSecondKey(instance)
}

/** The secret is for any instance of the cluster: it is known by its UUID, and named by itself. */
function judgeAnyInstance(hello: Hello, known: Known): HelloVerdict {
  if (known.byUuid) return judgeSecondKey(known.byUuid)
  const wanted = toName(hello.instanceName ?? hello.hostName ?? hello.instanceUuid)
  const namesake = known.byName(wanted)
  if (namesake === undefined) return judgeNew(wanted, known)
  // A name that is taken, or reserved by user-data of its own, goes to nobody else.
  const suffixed = withSuffix(wanted, hello.instanceUuid)
  const holder = known.byName(suffixed)
  return holder === undefined ? judgeNew(suffixed, known, namesake) : judgeSecondKey(holder)
}

function judgeNew(
  name: string,
  { instanceCount, instanceLimit }: Known,
  namesake?: Instance,
): HelloVerdict {
  if (instanceCount < instanceLimit) {
    return { do: 'create', name, ...(namesake === undefined ? {} : { namesake }) }
  }
  return refuse('too-many-instances', 'the cluster has as many instances as it may', undefined)
}

function judgeSecondKey(instance: Instance): HelloVerdict {
  if (instance.enrolmentAllowed) return { do: 'replace', instance }
  return refuse(
    'key-pinned',
    `another key is pinned for instance "${instance.name}"; if this is the right one, allow a new enrolment`,
    instance,
  )
}

function refuse(code: RefusalCode, message: string, alertOn: Instance | undefined): HelloVerdict {
  return { do: 'refuse', code, message, alertOn }
}

/** A host name, or anything else, made a valid name: its first label, in lower case. Pure. */
function toName(text: string): string {
  const label = text.toLowerCase().split('.').at(0) ?? ''
  const plain = label.replaceAll(/[^a-z0-9-]+/g, '-').slice(0, 63)
  const name = Name.safeParse(plain.replaceAll(/^-+|-+$/g, ''))
  return name.success ? name.data : 'instance'
}

/** The same name, told from its namesake by the first digits of the UUID. Pure. */
function withSuffix(name: string, instanceUuid: string): string {
  const suffix = instanceUuid
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .slice(0, 12)
  return toName(`${name.slice(0, 50)}-${suffix}`)
}
