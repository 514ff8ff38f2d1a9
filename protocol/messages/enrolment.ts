import { z } from 'zod'
import { SignedUrl } from '../signed-url/signed-url.ts'
import { Credentials } from './credentials.ts'
import { Reason } from './replies.ts'
import { Bytes, Instant, Name } from './wire-types.ts'

/** A public key on Curve25519 as a JWK (RFC 8037): Ed25519 signs, X25519 agrees on keys. */
export const PublicKey = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.enum(['Ed25519', 'X25519']),
  x: z.base64url(),
  /** A private part has no business in a message. */
  d: z.undefined().optional(),
})
export type PublicKey = z.output<typeof PublicKey>

/**
 * Nova's UUID of an instance, or what stands for it on its machine, in lower case: two spellings of one UUID are one
 * instance. ASCII only, since letters of other scripts may look, or fold, alike.
 */
export const InstanceUuid = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'use 1 to 128 printable ASCII characters without spaces')
  .toLowerCase()

/** What user-data brings to a guest: whom to trust, where to knock, and the right to do so once. */
export const Bootstrap = z.strictObject({
  v: z.literal(1),
  cluster: z.uuid(),
  clusterName: Name,
  /** The instance's name, where the user-data is for one instance only. */
  instanceName: z.exactOptional(Name),
  endpoint: z.url({ protocol: /^https?$/ }),
  /** Proves commands and welcomes: the cluster's Ed25519 key. */
  commandKey: PublicKey,
  /** Seals the hello: the cluster's X25519 key. */
  enrolmentKey: PublicKey,
  /** Shown once, inside the sealed hello. */
  enrolmentSecret: Bytes,
  /** The hello must also show the challenge that stands in this server's Nova metadata, where no other server can read it. */
  needsChallenge: z.exactOptional(z.literal(true)),
  /** `messages` of the return queue: POST. */
  hello: SignedUrl,
  /** `messages` of the lobby: GET. */
  lobby: SignedUrl,
  /** PEM certificates to trust for `endpoint` besides the system's. */
  certificateAuthority: z.exactOptional(z.string()),
})
export type Bootstrap = z.output<typeof Bootstrap>

/** Under this key of its Nova server's metadata an instance finds its challenge, in base64url. */
export const challengeKey = 'sahara-agent-challenge'

/** The agent's first word, signed with the very key that it announces and sealed to the cluster's enrolment key. */
export const Hello = z.looseObject({
  v: z.int(),
  cluster: z.uuid(),
  /** `enrol` shows the secret; `renew` is signed by the pinned key, and asks for new credentials. */
  purpose: z.enum(['enrol', 'renew']),
  /** Fresh for each hello; the welcome repeats it. */
  nonce: Bytes.refine((nonce) => nonce.length >= 16, 'must be at least 128 bits'),
  enrolmentSecret: z.exactOptional(Bytes),
  /** What stood under `challengeKey`: proves that this instance is the server whose UUID it tells. */
  challenge: z.exactOptional(Bytes),
  instanceName: z.exactOptional(Name),
  instanceUuid: InstanceUuid,
  /** X25519: commands are sealed to it. */
  sealingKey: PublicKey,
  /** Ed25519: signs this hello. */
  signingKey: PublicKey,
  sentAt: Instant,
  agentVersion: z.string().max(64),
  hostName: z.exactOptional(z.string().max(255)),
})
export type Hello = z.output<typeof Hello>

/** The controller's answer on the lobby, signed by the cluster's key and sealed to that agent. */
export const Welcome = z.discriminatedUnion('verdict', [
  z.looseObject({
    verdict: z.literal('welcome'),
    v: z.int(),
    cluster: z.uuid(),
    nonce: Bytes,
    /** The instance's id, which commands name; and the name that people use. */
    instance: z.uuid(),
    instanceName: Name,
    /** 256 bits: seals what the agent reports unasked. */
    reportKey: Bytes,
    credentials: Credentials,
    /** How often a heartbeat is wanted, in seconds. */
    heartbeatSeconds: z.number().min(1).max(86_400).default(60),
  }),
  z.looseObject({
    verdict: z.literal('refused'),
    v: z.int(),
    cluster: z.uuid(),
    nonce: Bytes,
    reason: Reason,
  }),
])
export type Welcome = z.output<typeof Welcome>
