import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { NetworkOptions } from '../protocol/network/network-options.ts'

const path = z.string().min(1).max(4096)
const port = z.int().min(0).max(65_535)

/** What is said of a key that is missing, where more helps than that. */
const ifMissing =
  (message: string) =>
  ({ input }: { input?: unknown }) =>
    input === undefined ? message : undefined

const httpUrl = z.url({
  protocol: /^https?$/,
  error: ({ input }) =>
    input === undefined
      ? undefined
      : 'must be a URL with its scheme, such as https://zaqar.example:8888',
})

/** A TCP port for the API, besides its Unix socket. */
const Listen = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    /** 0: any free one. */
    port: z
      .int({ error: ifMissing('is missing; name it by `--listen 127.0.0.1:8080`') })
      .min(0)
      .max(65_535),
    /** A file of mode 0600 with the bearer token that every request must show; at least 32 characters. */
    tokenFile: z
      .string({
        error: ifMissing(
          'is missing: over TCP the API asks for a token; put one of at least 32 characters into a file of mode 0600, ' +
            'and name that by `--token-file FILE`',
        ),
      })
      .min(1)
      .max(4096),
    /** PEM files. Needed on any address but loopback, since the token would cross the network readable. */
    tls: z.exactOptional(z.strictObject({ certificateFile: path, keyFile: path })),
  })
  .refine((listen) => listen.tls !== undefined || isLoopback(listen.host), {
    path: ['host'],
    message: 'is not loopback, which needs `tls`: a bearer token must not cross a network readable',
  })

/** The embedded queue service, for a laptop, a test, or one machine. */
const EmbeddedQueue = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  /** 0: any free one; then agents lose the queue when the controller is started again. */
  port: port.default(8888),
  /** Default: `queue.db` in the state directory. */
  database: z.exactOptional(path),
  /** PEM files. Needed on any address but loopback, since signed URLs are bearer secrets. */
  tls: z.exactOptional(z.strictObject({ certificateFile: path, keyFile: path })),
})

/** Somebody or a project by an id, or by a name in a domain. */
const domain = z.union([z.strictObject({ id: path }), z.strictObject({ name: path })])
const named = z.union([z.strictObject({ id: path }), z.strictObject({ name: path, domain })])

/** Who the controller is to Keystone, where that stands neither in `clouds.yaml` nor in `OS_*` variables. */
const KeystoneUser = z
  .strictObject({
    /** Keystone v3, such as `https://keystone.example:5000/v3`. */
    authUrl: httpUrl,
    /** A user and a project in which it has a role, */
    user: z.exactOptional(named),
    project: z.exactOptional(named),
    /** or the id of an application credential. */
    applicationCredential: z.exactOptional(path),
    /** A file of mode 0600 with the password, or the credential's secret. */
    secretFile: path,
  })
  .refine((keystone) => (keystone.applicationCredential === undefined) === isPassword(keystone), {
    message: 'needs either `user` and `project`, or `applicationCredential`',
  })

function isPassword(keystone: { user?: unknown; project?: unknown }): boolean {
  return keystone.user !== undefined && keystone.project !== undefined
}

/** A gateway, or several processes behind one address. */
const Gateway = z.strictObject({
  /** Where agents reach it. */
  url: httpUrl,
  /** Where the queue service reaches it with notifications: one for each process, in a network without guests. */
  notifyUrls: z.array(httpUrl).min(1).max(16),
  /** How long a subscription lasts, in seconds; it is renewed at half of it. */
  subscriptionTtlSeconds: z.int().min(60).max(1_209_600).default(3600),
})

/** Where commands go out and replies come in. */
const Queue = z
  .strictObject({
    /**
     * The queue service, such as `https://zaqar.example:8888`, without `/v2`. Default: with `auth: keystone` the
     * catalogue's `messaging`, else the embedded one.
     */
    url: z.exactOptional(httpUrl),
    /** The Keystone project whose queues these are; with `auth: keystone` it is the token's, whatever stands here. */
    projectId: z.string().min(1).max(256).default('sahara'),
    /** How this controller shows its right. The embedded queue takes `token` only. */
    auth: z.enum(['token', 'none', 'keystone']).default('token'),
    /** A file of mode 0600 with the token; read again after a 401. Default for the embedded queue: one that is made. */
    tokenFile: z.exactOptional(path),
    /** With `auth: keystone`: the name of a cloud in `clouds.yaml`. Default: `OS_CLOUD`, `OS_*`, or the only one. */
    cloud: z.exactOptional(path),
    /** With `auth: keystone`: who we are, instead of `clouds.yaml` and the `OS_*` variables. */
    keystone: z.exactOptional(KeystoneUser),
    /** Which of the catalogue's endpoints are used. Default: as `clouds.yaml` says, else `public` in the only region. */
    region: z.exactOptional(path),
    interface: z.exactOptional(z.enum(['public', 'internal', 'admin'])),
    /** Where replies are announced. Default: the catalogue's `messaging-websocket`; without one we poll. */
    websocketUrl: z.exactOptional(z.url({ protocol: /^wss?$/ })),
    /** What agents are told to reach, where it differs from `url`. Default: the catalogue's public endpoint. */
    advertisedUrl: z.exactOptional(httpUrl),
    /** The long-poll in front of a service that has none (`sahara-queue gateway`); agents go around it when it is down. */
    gateway: z.exactOptional(Gateway),
    /** PEM certificates that the controller and the agents trust for it, besides the system's. */
    certificateAuthorityFile: z.exactOptional(path),
    /** Serve the queue from this very process. */
    embedded: EmbeddedQueue.nullable().default(null),
    /** How we ask for replies where the service holds no request open: at once after activity, then ever more slowly. */
    poll: z
      .strictObject({
        /** The longest pause while replies are not announced, in seconds. */
        ceilingSeconds: z.number().min(0.1).max(300).default(2),
        /** The longest pause while they are, in seconds: an announcement can be lost. */
        announcedCeilingSeconds: z.number().min(0.1).max(300).default(15),
      })
      .prefault({}),
  })
  .refine(
    (queue) => queue.url !== undefined || queue.embedded !== null || queue.auth === 'keystone',
    {
      message:
        'names no queue service; serve one from this very process with `sahara-controller serve --embedded-queue`, or ' +
        'name yours with `--queue-url https://zaqar.example:8888 --queue-token-file FILE`; in a --config file that is ' +
        '`embedded: {}`, or `url` and `tokenFile`, or `auth: keystone`',
    },
  )
  .refine(
    ({ auth, tokenFile, url, embedded }) =>
      auth !== 'token' || tokenFile !== undefined || url === undefined || embedded !== null,
    {
      path: ['tokenFile'],
      message:
        'is missing: name the file with the token for the queue service (mode 0600) by ' +
        '`--queue-token-file FILE`, or set `auth` to keystone or none',
    },
  )
  .refine((queue) => queue.auth !== 'keystone' || queue.embedded === null, {
    path: ['auth'],
    message: 'is keystone, which the embedded queue does not know',
  })
  .refine((queue) => queue.gateway === undefined || queue.embedded === null, {
    path: ['gateway'],
    message: 'is for a queue service that cannot wait; the embedded queue can',
  })
  .refine((queue) => queue.cloud === undefined || queue.keystone === undefined, {
    path: ['cloud'],
    message: 'and `keystone` exclude each other',
  })

/** Every bound that the controller keeps; past it a request is refused by code, or the oldest goes. */
const Limits = z.strictObject({
  clusters: z.int().min(1).default(1000),
  instancesPerCluster: z.int().min(1).default(10_000),
  /** Commands of one instance that have not ended. */
  openCommandsPerInstance: z.int().min(1).default(10_000),
  /** Largest content of one command, in bytes. */
  contentBytes: z
    .int()
    .min(1)
    .default(4 * 1024 ** 3),
  /** Output kept of one command, in bytes; what comes beyond is dropped, and its record says so. */
  outputBytesPerCommand: z
    .int()
    .min(1)
    .default(16 * 1024 ** 3),
  /** Output of one command that waits for a hole before it to be filled, in bytes. */
  waitingOutputBytes: z
    .int()
    .min(1)
    .default(64 * 1024 ** 2),
  /** The same in pieces: each may be as small as a byte. */
  waitingOutputPieces: z.int().min(1).default(10_000),
  /** Alerts kept of those that an instance's agent reported; those that the controller raises have a bound of their own. */
  alertsPerInstance: z.int().min(1).default(100),
  /** POSTs to the queue service under way at once. */
  postsAtOnce: z.int().min(1).max(1024).default(32),
})

/** How long what has ended is kept. Whichever bound is met first counts. */
const Retention = z.strictObject({
  /** Ended commands, in days. */
  days: z.number().min(0.01).max(3650).default(30),
  /** Output of ended commands, all together, in bytes; the oldest goes first, its record stays. */
  outputBytes: z
    .int()
    .min(0)
    .default(20 * 1024 ** 3),
})

const ControllerSettings = z.strictObject({
  /** Holds the store, its key, contents and the socket; made with mode 0700. */
  stateDirectory: path,
  /** The API's Unix socket, mode 0600. Default: `controller.sock` in the state directory. */
  socketPath: z.exactOptional(path),
  /** A group, by name or number, whose members may use the socket (mode 0660) and so do everything. Needs `socketPath`. */
  socketGroup: z.exactOptional(z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/)),
  listen: z.exactOptional(Listen),
  queue: Queue.prefault({}),
  /** Proxies on the way to the queue service; what is said here wins over the environment. */
  network: NetworkOptions.omit({ certificateAuthorityFile: true }).prefault({}),
  /** How long an instance's signed URLs last, in seconds; they are renewed at half of it. */
  signedUrlLifeSeconds: z.int().min(120).max(31_536_000).default(86_400),
  /** How long after a command's deadline the controller gives it up as `lost`, in seconds. */
  lostMarginSeconds: z.number().min(0).max(86_400).default(60),
  /** How often agents give a sign of life, in seconds; three missing ones in a row are `silent`. */
  heartbeatSeconds: z.number().min(1).max(86_400).default(60),
  limits: Limits.default(Limits.parse({})),
  retention: Retention.default(Retention.parse({})),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

/** All that may be said to the controller from outside. */
export const ControllerConfig = ControllerSettings.refine(
  ({ socketGroup, socketPath, stateDirectory }) =>
    socketGroup === undefined ||
    (socketPath !== undefined && dirname(resolve(socketPath)) !== resolve(stateDirectory)),
  {
    path: ['socketGroup'],
    message:
      'needs a `socketPath` outside of the state directory, which is for the controller alone',
  },
)
export type ControllerConfig = z.output<typeof ControllerConfig>

/** `/var/lib/sahara-controller` for root, and the XDG state directory for anybody else. */
export function defaultStateDirectory(
  env: Readonly<Record<string, string | undefined>>,
  isRoot: boolean,
): string {
  if (isRoot) return '/var/lib/sahara-controller'
  return join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'sahara-controller')
}

/** Where the API's Unix socket is. */
export function socketPathOf(
  config: Pick<ControllerConfig, 'stateDirectory' | 'socketPath'>,
): string {
  return config.socketPath ?? join(config.stateDirectory, 'controller.sock')
}

/** Whether a host is this machine by its own word; `host` without brackets. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1'
}
