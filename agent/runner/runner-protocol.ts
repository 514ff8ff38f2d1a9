import { z } from 'zod'
import { Result } from '../../protocol/messages/replies.ts'
import { Bytes } from '../../protocol/messages/wire-types.ts'
import { CommandSpec } from './command-spec.ts'

/**
 * What agent and runner say to each other over the runner's socket: one JSON value per line. Every request may be
 * repeated, as the agent does after a connection broke: a second `begin` begins nothing.
 */
const serial = z.int()

/** Longest line, in bytes: a command's inline words, escaped, or a chunk of input in base64. */
export const lineLimitBytes = 1024 * 1024

export const RunnerRequest = z.discriminatedUnion('kind', [
  /** The first word of each connection: who speaks. Loose, as every version must understand it. */
  z.object({ kind: z.literal('hello'), serial, version: z.string() }),
  /** Begins a command unless it was begun before; the connection hears of its output and its end. */
  z.strictObject({ kind: z.literal('begin'), serial, spec: CommandSpec }),
  /** The connection wants to hear of a command that another one began. */
  z.strictObject({ kind: z.literal('attach'), serial, id: z.uuid() }),
  z.strictObject({ kind: z.literal('cancel'), serial, id: z.uuid(), graceMs: z.number().min(0) }),
  z.strictObject({
    kind: z.literal('stdin'),
    serial,
    id: z.uuid(),
    offset: z.int().min(0),
    bytes: Bytes,
    end: z.boolean(),
  }),
  /** Whether somebody is there. */
  z.strictObject({ kind: z.literal('ping'), serial }),
  /** Output below was read and deleted: there is room again. */
  z.strictObject({ kind: z.literal('discarded'), serial, id: z.uuid(), below: z.int().min(0) }),
])
export type RunnerRequest = z.output<typeof RunnerRequest>

/** What can be read of a request of another version. */
export const UnknownRequest = z.object({ serial })

const StdinVerdict = z.discriminatedUnion('taken', [
  z.object({ taken: z.literal(true) }),
  z.object({
    taken: z.literal(false),
    reason: z.enum(['not-open', 'hole', 'ended']),
    nextOffset: z.int().min(0),
  }),
])

export const RunnerMessage = z.discriminatedUnion('kind', [
  /** To `begin` and `attach`: whether the runner has it in its care, and how much output can be read. */
  z.object({
    kind: z.literal('care'),
    serial,
    inCare: z.boolean(),
    written: z.int().min(0),
  }),
  /** To `stdin`. */
  z.object({ kind: z.literal('verdict'), serial, verdict: StdinVerdict }),
  /** To the others. */
  z.object({ kind: z.literal('done'), serial }),
  /** To what a runner of another version than its agent cannot read: nothing was done. */
  z.object({ kind: z.literal('not-understood'), serial }),
  /** Unasked: output below `written` can be read. */
  z.object({ kind: z.literal('output'), id: z.uuid(), written: z.int().min(0) }),
  /** Unasked: the end. `result` is what `end.json` holds. */
  z.object({ kind: z.literal('ended'), id: z.uuid(), result: Result }),
])
export type RunnerMessage = z.output<typeof RunnerMessage>
