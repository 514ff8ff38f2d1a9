import { z } from 'zod'
import { Instant, Sha256 } from './wire-types.ts'

/** A sign of life. `sequence` grows with every report of one agent, so that an old one replayed is seen. */
export const Heartbeat = z.looseObject({
  kind: z.literal('heartbeat'),
  sequence: z.int().min(0),
  at: Instant,
  agentVersion: z.string().max(64),
  bootId: z.string().max(64),
  uptimeSeconds: z.number().min(0),
  /** Ids of the commands that run now. */
  running: z.array(z.uuid()).max(1024),
  /** Commands for which the agent still owes a result. */
  owed: z.int().min(0),
  /** Guest clock minus server clock, in milliseconds. */
  clockOffsetMs: z.number(),
  /** The newest line of the guest's audit log: its number, and its SHA-256. */
  audit: z.exactOptional(z.looseObject({ sequence: z.int().min(0), hash: Sha256 })),
})
export type Heartbeat = z.output<typeof Heartbeat>

/** Something that a person should look at; `code` is stable. */
export const Alert = z.looseObject({
  kind: z.literal('alert'),
  sequence: z.int().min(0),
  at: Instant,
  code: z.string().max(64),
  message: z.string().max(4096),
})
export type Alert = z.output<typeof Alert>

export const Report = z.discriminatedUnion('kind', [Heartbeat, Alert])
export type Report = z.output<typeof Report>
