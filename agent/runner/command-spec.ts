import { z } from 'zod'
import { SecretName } from '../../protocol/messages/secrets.ts'
import { Bytes } from '../../protocol/messages/wire-types.ts'

/** A command as the runner gets it: nothing is left to be decided. All durations are in milliseconds. */
export const CommandSpec = z.strictObject({
  id: z.uuid(),
  /** The command's own directory; spool, script and records go there. */
  directory: z.string().startsWith('/'),
  run: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('argv'), argv: z.array(z.string()).min(1) }),
    z.strictObject({
      kind: z.literal('script'),
      interpreter: z.array(z.string()).min(1),
      text: z.string(),
    }),
    z.strictObject({
      kind: z.literal('script-file'),
      interpreter: z.array(z.string()).min(1),
      path: z.string(),
    }),
  ]),
  env: z.record(z.string(), z.string()),
  /** Opened; the runner keeps them in memory alone, and in files of `home`, which is in memory too. */
  secrets: z.exactOptional(
    z.strictObject({
      home: z.string().startsWith('/'),
      values: z.array(
        z.strictObject({ name: SecretName, value: Bytes, via: z.enum(['file', 'fd']) }),
      ),
    }),
  ),
  /** Null: the user's home. A relative one counts from there. */
  cwd: z.string().nullable(),
  /** Null: the user that the runner runs as. */
  user: z.string().nullable(),
  stdin: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('file'), path: z.string() }),
    z.strictObject({ kind: z.literal('open') }),
  ]),
  pty: z.boolean(),
  timeoutMs: z.number().min(0),
  silenceMs: z.number().min(0).nullable(),
  deadlineMs: z.number().min(0),
  graceMs: z.number().min(0),
  /** Undiscarded output at which the command's pipes are left unread. */
  spoolLimitBytes: z.int().min(1),
  segmentBytes: z.int().min(1),
  /** How much of its output is kept: from the beginning, and from the end. */
  keep: z.strictObject({ headBytes: z.int().min(0), tailBytes: z.int().min(1) }),
})
export type CommandSpec = z.output<typeof CommandSpec>
