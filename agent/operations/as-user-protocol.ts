import { z } from 'zod'
import { Reason } from '../../protocol/messages/replies.ts'
import { StagedFile, WriteRequest } from './write-file.ts'

/** What the agent says to the child that reads or writes a file with another user's rights: one JSON value per line. */
export const ToChild = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('read'),
    range: z.strictObject({
      path: z.string(),
      offset: z.int().min(0),
      limitBytes: z.int().min(0).nullable(),
    }),
  }),
  /** The content is standard input. */
  z.strictObject({
    kind: z.literal('write'),
    request: WriteRequest,
    staged: StagedFile.nullable(),
    hasContent: z.boolean(),
  }),
  /** What was opened may be used; what was staged is in the journal. */
  z.strictObject({ kind: z.literal('go-on') }),
])
export type ToChild = z.output<typeof ToChild>

/** What the child answers. It runs with that user's rights, so it is believed no more than that user is. */
export const FromChild = z.discriminatedUnion('kind', [
  /** All bytes have gone to standard output. */
  z.strictObject({ kind: z.literal('read'), size: z.int().min(0) }),
  /** The true path of what it has opened, before it uses it. */
  z.strictObject({ kind: z.literal('opened'), path: z.string().max(16_384) }),
  z.strictObject({ kind: z.literal('staged'), staged: StagedFile }),
  z.strictObject({
    kind: z.literal('written'),
    answer: z.strictObject({ size: z.int().min(0), sha256: z.string() }),
  }),
  z.strictObject({ kind: z.literal('failed'), reason: Reason }),
])
export type FromChild = z.output<typeof FromChild>
