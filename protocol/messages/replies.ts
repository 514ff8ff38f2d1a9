import { z } from 'zod'
import { Instant, Sha256 } from './wire-types.ts'

/** Where output comes from: a program's two streams, or the bytes of a file or of an HTTP body. */
export const OutputStream = z.enum(['stdout', 'stderr', 'content'])
export type OutputStream = z.output<typeof OutputStream>

/**
 * How a command ended.
 *
 * | state | meaning |
 * | --- | --- |
 * | succeeded | exit code 0, or the operation did what was asked |
 * | failed | another exit code, a signal, or an error that `reason` names |
 * | refused | the agent would not do it: `reason` says why, `rule` which rule of the policy |
 * | timed-out | it ran (or was silent) for too long, and was ended |
 * | cancelled | somebody cancelled it, before or while it ran |
 * | interrupted | the guest, or what ran the command, died meanwhile; it is not run again unless `idempotent` |
 * | expired | its time to start was over before it began |
 */
export const EndState = z.enum([
  'succeeded',
  'failed',
  'refused',
  'timed-out',
  'cancelled',
  'interrupted',
  'expired',
])
export type EndState = z.output<typeof EndState>

/** Why a command was refused, or failed without a process: a stable code in kebab-case, and a sentence for people. */
export const Reason = z.looseObject({ code: z.string().max(64), message: z.string().max(4096) })
export type Reason = z.output<typeof Reason>

/** The end of a command. Says how much output there is and its digests, so that a hole in it cannot go unnoticed. */
export const Result = z.looseObject({
  state: EndState,
  /** For a program that ended by itself. */
  exitCode: z.exactOptional(z.int()),
  /** For a program that a signal ended, such as `SIGKILL`. */
  signal: z.exactOptional(z.string().max(32)),
  reason: z.exactOptional(Reason),
  /** The rule of the tenant's policy that refused it. */
  rule: z.exactOptional(z.string().max(1024)),
  startedAt: z.exactOptional(Instant),
  endedAt: Instant,
  /** All bytes of output that were sent, both streams together. */
  outputBytes: z.int().min(0).default(0),
  /** For each stream: how many bytes the program wrote, their digest, and how many of them were not kept. */
  streams: z
    .partialRecord(
      OutputStream,
      z.looseObject({
        size: z.int().min(0),
        sha256: Sha256,
        droppedBytes: z.int().min(0).default(0),
      }),
    )
    .default({}),
  /** CPU time and peak memory of the whole process tree, where the guest can tell. */
  resources: z.exactOptional(
    z.looseObject({
      userCpuMs: z.exactOptional(z.number()),
      systemCpuMs: z.exactOptional(z.number()),
      peakMemoryBytes: z.exactOptional(z.int()),
    }),
  ),
  /** Processes of the command that were still alive when it ended. */
  survivors: z.array(z.looseObject({ pid: z.int(), program: z.string().max(256) })).default([]),
  /** What an operation answers beside its state: `write` and `read` size and sha256, `ping` facts, `http` status and headers. */
  answer: z.record(z.string(), z.unknown()).default({}),
})
export type Result = z.output<typeof Result>

/** The agent has journaled the command and owes a result from here on. */
export const Accepted = z.looseObject({ at: Instant })

/** How much of the command's content has come whole, so that the controller can send on. */
export const Progress = z.looseObject({ contentBytes: z.int().min(0) })

/**
 * What places a reply among the replies to its command; it stands in the seal's protected header, where the payload
 * can be raw bytes. `output` counts `offset` over all streams together, in the order in which the agent read them.
 */
export const ReplyPlace = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('accepted') }),
  z.looseObject({ kind: z.literal('progress') }),
  z.looseObject({ kind: z.literal('output'), offset: z.int().min(0), stream: OutputStream }),
  z.looseObject({ kind: z.literal('result') }),
])
export type ReplyPlace = z.output<typeof ReplyPlace>
