import { z } from 'zod'

const seconds = (least: number, most: number) => z.int().min(least).max(most)

/** What one request or one queue may ask for. The defaults are Zaqar's own, where Zaqar has them. */
export const QueueLimits = z.strictObject({
  /** The body of one POST of messages, in bytes. A queue may ask for less (`_max_messages_post_size`). */
  maxPostBytes: z.int().min(1024).max(16_777_216).default(262_144),
  /** The body of every other request, in bytes: metadata above all. */
  maxMetadataBytes: z.int().min(1024).max(1_048_576).default(65_536),
  /** Messages or queues in one page, claim, pop or list of ids. */
  maxPageSize: z.int().min(1).max(1000).default(20),
  /** The page where a request does not say. */
  defaultPageSize: z.int().min(1).max(1000).default(10),
  minMessageTtlSeconds: seconds(1, 86_400).default(60),
  maxMessageTtlSeconds: seconds(60, 1_209_600).default(1_209_600),
  defaultMessageTtlSeconds: seconds(1, 1_209_600).default(3600),
  maxDelaySeconds: seconds(0, 86_400).default(900),
  minClaimTtlSeconds: seconds(1, 86_400).default(60),
  maxClaimTtlSeconds: seconds(60, 604_800).default(43_200),
  defaultClaimTtlSeconds: seconds(1, 604_800).default(300),
  minGraceSeconds: seconds(0, 86_400).default(60),
  maxGraceSeconds: seconds(60, 604_800).default(43_200),
  defaultGraceSeconds: seconds(0, 604_800).default(60),
  /** How long a request with `Prefer: wait` may be held; a longer wish is cut to this. */
  maxWaitSeconds: seconds(0, 3600).default(300),
  /** Requests held at one time; beyond it a request is answered at once, as if it had not asked to wait. */
  maxWaiting: z.int().min(0).max(1_000_000).default(100_000),
  /** Open connections; beyond it new ones are closed at once. */
  maxConnections: z.int().min(1).max(1_000_000).default(50_000),
  /** Bytes of the database file; beyond it posts are answered 503 until messages are deleted or end. */
  maxDatabaseBytes: z
    .int()
    .min(1_048_576)
    .default(16 * 2 ** 30),
})
export type QueueLimits = z.output<typeof QueueLimits>

/** All that may be said about a queue service from outside. */
export const QueueServiceOptions = z.strictObject({
  /** The address to listen on. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free one. */
  port: z.int().min(0).max(65_535).default(8888),
  /** The SQLite file; made if it is missing. Secrets lie beside it in files of their own. */
  database: z.string().min(1),
  /** `token`: signed URLs and the operator's token. `none`: everybody on this machine; loopback only. */
  auth: z.enum(['token', 'none']).default('token'),
  /** The operator's token, mode 0600; `DATABASE.token` if absent. Made with a fresh token if it is missing. */
  tokenFile: z.string().min(1).exactOptional(),
  /** PEM files; without them the service speaks plain HTTP. */
  tls: z.strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).exactOptional(),
  /** How long `close` lets running requests finish before it cuts their connections, in seconds. */
  stopSeconds: seconds(0, 300).default(5),
  limits: QueueLimits.prefault({}),
})
export type QueueServiceOptions = z.output<typeof QueueServiceOptions>
