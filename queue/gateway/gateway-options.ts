import { z } from 'zod'

const port = z.int().min(0).max(65_535)

/** All that may be said about a gateway from outside. */
export const GatewayOptions = z.strictObject({
  /** The queue service behind, such as `https://zaqar.example:8888`; without `/v2`. */
  upstream: z.url({ protocol: /^https?$/ }),
  /** PEM certificates to trust for it, besides the system's. */
  upstreamCertificateAuthority: z.string().min(1).exactOptional(),
  /** The address for agents. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free one. */
  port: port.default(8889),
  /** PEM files; without them the gateway speaks plain HTTP. */
  tls: z.strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).exactOptional(),
  /** The address for notifications: of a network in which the queue service is, and no guest. */
  notifyHost: z.string().min(1).default('127.0.0.1'),
  notifyPort: port.default(8890),
  /** How often a queue is looked at though nothing was announced, in seconds: what a lost notification costs at most. */
  lookAgainSeconds: z.number().min(1).max(3600).default(60),
  /** How long a request may be held; a longer wish is cut to this. */
  maxWaitSeconds: z.number().min(0).max(3600).default(300),
  /** Requests held at one time; beyond it a request is answered at once, as if it had not asked to wait. */
  maxWaiting: z.int().min(0).max(1_000_000).default(100_000),
  /** Open connections of agents; beyond it new ones are closed at once. */
  maxConnections: z.int().min(1).max(1_000_000).default(50_000),
  /** Requests under way to the queue service; more wait for their turn. */
  upstreamConnections: z.int().min(1).max(1024).default(64),
  /** How long `close` lets running requests finish before it cuts their connections, in seconds. */
  stopSeconds: z.number().min(0).max(300).default(5),
})
export type GatewayOptions = z.output<typeof GatewayOptions>
