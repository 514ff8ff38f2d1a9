import { z } from 'zod'
import { Instant } from '../../protocol/messages/wire-types.ts'

/** What `sahara-agent status` shows: the answer of the running agent, one JSON document over its local socket. */
export const Status = z.looseObject({
  agentVersion: z.string(),
  pid: z.int(),
  stateDirectory: z.string(),
  startedAt: Instant,
  uptimeSeconds: z.number(),
  /** `enrolling` until the controller has welcomed it; then `running`; `stopping` after SIGTERM. */
  phase: z.enum(['enrolling', 'running', 'stopping']),
  /** Where the hello stands, while it enrols or renews (`enrol/enrolment-state.ts`); `enrolled` when none was needed. */
  enrolment: z.string(),
  instance: z.string().nullable(),
  instanceName: z.string().nullable(),
  cluster: z.string().nullable(),
  endpoint: z.string().nullable(),
  credentialsExpireAt: Instant.nullable(),
  running: z.array(z.string()),
  waiting: z.int(),
  owed: z.int(),
  clockOffsetMs: z.number(),
  /** When the queue has answered the last time, by this machine's clock. */
  lastAnswerAt: Instant.nullable(),
  /** What fails at the queue service now, such as `claim` or `post`, by an error's code (docs/errors.md); empty while all is well. */
  queueFailures: z.array(z.looseObject({ action: z.string(), code: z.string(), since: Instant })),
  /** Whether the queue holds requests open, so that commands come at once. */
  longPoll: z.boolean().nullable(),
  /** The gateway that the credentials name. */
  gateway: z.string().nullable(),
  /** Which way the present claim goes, or the last one went. */
  claimsVia: z.enum(['queue', 'gateway']).nullable(),
  /** From the last claim's answer to the next claim, in milliseconds. */
  pollPauseMs: z.number().nullable(),
  /** The tenant's policy in effect: `absent` is the preset `sahara`, `broken` refuses everything. */
  policy: z
    .looseObject({
      source: z.enum(['file', 'absent', 'broken']),
      path: z.string(),
      mode: z.enum(['enforce', 'observe']),
      preset: z.string(),
      problem: z.string().nullable(),
    })
    .nullable(),
  /** How many messages were dropped, by reason, since the start. */
  dropped: z.record(z.string(), z.int()),
})
export type Status = z.output<typeof Status>
