import { z } from 'zod'
import { CredentialsOperation } from './credentials.ts'
import {
  CancelOperation,
  ExecOperation,
  HttpOperation,
  PingOperation,
  ReadOperation,
  StdinOperation,
  WriteOperation,
} from './operations.ts'
import { Bytes, Instant, Sha256 } from './wire-types.ts'

/** The operations that this version knows; an agent refuses any other by name. */
export const Operation = z.discriminatedUnion('name', [
  ExecOperation,
  WriteOperation,
  ReadOperation,
  HttpOperation,
  StdinOperation,
  CancelOperation,
  CredentialsOperation,
  PingOperation,
])
export type Operation = z.output<typeof Operation>

/** Bytes that belong to a command and follow it in chunks (`input.ts`): a file, a script, standard input, a body. */
export const Content = z.looseObject({ size: z.int().min(0), sha256: Sha256 })
export type Content = z.output<typeof Content>

/**
 * A request to one instance, as the controller signs it. The operation is parsed in a second step (`Operation`), so
 * that one which this version does not know can still be refused by name under the command's reply key.
 */
export const Command = z.looseObject({
  /** `protocolVersion` of the controller. */
  v: z.int(),
  /** UUIDv7; accepted once. */
  id: z.uuid(),
  /** Whom it is for: an agent drops what names another. */
  cluster: z.uuid(),
  instance: z.uuid(),
  /** When the controller issued it, by its clock. */
  issuedAt: Instant,
  /** Not begun at or after this moment: it ends as `expired` then. */
  startBy: Instant,
  /** Ended by this moment, whatever it does; the controller gives it up (`lost`) some time later. */
  deadline: Instant,
  /** How long it may run, in seconds; then it ends as `timed-out`. */
  timeoutSeconds: z.number().min(0.001).max(2_592_000),
  /** How long it may print nothing, in seconds; then it ends as `timed-out`. */
  silenceSeconds: z.exactOptional(z.number().min(0.001).max(2_592_000)),
  /** Seconds between TERM and KILL at a timeout. */
  graceSeconds: z.number().min(0).max(3600).default(10),
  /** May be run again after the guest died while it ran. */
  idempotent: z.boolean().default(false),
  /** Commands of one lane run one after the other, in order; different lanes run at once. Default: a lane of its own. */
  lane: z.exactOptional(z.string().min(1).max(64)),
  /** A fresh random 256-bit key, under which all replies to this command and all chunks of its content are sealed. */
  replyKey: Bytes.refine((key) => key.length === 32, 'must be 256 bits'),
  content: z.exactOptional(Content),
  operation: z.looseObject({ name: z.string().min(1).max(64) }),
})
export type Command = z.output<typeof Command>
