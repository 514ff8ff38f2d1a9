import { z } from 'zod'
import { InstanceUuid } from '../protocol/messages/enrolment.ts'
import { NetworkOptions } from '../protocol/network/network-options.ts'

/** How the agent asks its command queue for work. */
export const PollOptions = z.strictObject({
  /**
   * How long the queue may hold a claim request open at most, in seconds. The agent begins at 30, and finds out what the path
   * to the queue carries. Stock Zaqar ignores it.
   */
  waitSeconds: z.int().min(0).max(300).default(300),
  /** How long claimed messages stay hidden, in seconds: after a crash between claim and journal they come back this late. */
  claimTtlSeconds: z.int().min(60).max(43_200).default(60),
  /** Messages per claim. Zaqar gives at most 20. */
  claimLimit: z.int().min(1).max(20).default(20),
  /** The longest pause between two claims where the queue does not wait, in seconds. */
  ceilingSeconds: z.number().min(0.1).max(3600).default(15),
})
export type PollOptions = z.output<typeof PollOptions>

/** Bounds on what grows. At a bound the agent stops claiming until there is room; nothing is lost. */
export const Limits = z.strictObject({
  /** Commands that have been taken and whose result the return queue has not taken yet. */
  owedCommands: z.int().min(1).max(100_000).default(2000),
  /** The journal's database, in bytes; a full one is treated like a full disk. */
  journalBytes: z
    .int()
    .min(64 * 1024)
    .default(2 ** 30),
  /** Ids remembered against replays; beyond it the oldest go, and commands with deadlines as old are refused for age. */
  rememberedCommands: z.int().min(1000).max(10_000_000).default(200_000),
  /** The largest content (a file that is pushed) of one command, in bytes. */
  contentBytes: z
    .int()
    .min(0)
    .default(16 * 2 ** 30),
  /**
   * The output of one program, in bytes, up to which all of it is sent; of more, the beginning and the last 512 KiB. What is
   * dropped is counted, and digested with the rest. So much of it waits on the disk at most: `spool.outputLimitBytes`.
   */
  outputBytesPerCommand: z
    .int()
    .min(2 ** 20)
    .default(16 * 2 ** 30),
  /** Free disk space that commands' content and new commands leave alone, in bytes. */
  reserveBytes: z
    .int()
    .min(0)
    .default(32 * 2 ** 20),
})
export type Limits = z.output<typeof Limits>

/** What is kept of what the agent was asked and did (docs/audit.md). */
export const AuditOptions = z.strictObject({
  /** Default: `audit` in the state directory. */
  directory: z.exactOptional(z.string().min(1)),
  /** A file of the log, in bytes; then the next one is begun. */
  fileBytes: z
    .int()
    .min(64 * 1024)
    .default(16 * 2 ** 20),
  /** Files that are kept; beyond it the oldest is removed, and the log says so. */
  files: z.int().min(2).max(10_000).default(16),
  /** Programs' words: `redacted` leaves out what looks like a secret; `digest` tells their digest only. */
  words: z.enum(['redacted', 'digest']).default('redacted'),
})
export type AuditOptions = z.output<typeof AuditOptions>

/** The agent's configuration file. A person writes it, so that a misspelt key is an error. */
export const AgentConfig = z.strictObject({
  /** What user-data wrote: whom to trust and where to knock. */
  bootstrapPath: z.string().min(1).default('/etc/sahara-agent/bootstrap.json'),
  /** Journal, keys, credentials, sockets and commands' directories; made with mode 0700. */
  stateDirectory: z.string().min(1).default('/var/lib/sahara-agent'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** Who this instance is, whatever cloud-init and the firmware say. Where it is changed, the instance enrols anew, as another one. */
  instanceUuid: z.exactOptional(InstanceUuid),
  /** Nova's metadata service, where a challenge is read before a hello that needs one. */
  metadataUrl: z.url({ protocol: /^https?$/ }).default('http://169.254.169.254'),
  /** Says which boot this is: what was begun in another one does not run any more. See proc_sys_kernel(5). */
  bootIdPath: z.string().min(1).default('/proc/sys/kernel/random/boot_id'),
  /** The tenant's word on what commands may do (docs/policy.md); without this file the preset `sahara` holds. */
  policyPath: z.string().min(1).default('/etc/sahara-agent/policy.yaml'),
  audit: AuditOptions.prefault({}),
  network: NetworkOptions.prefault({}),
  poll: PollOptions.prefault({}),
  /** How many commands run at once; the commands of one lane never do. */
  lanes: z.strictObject({ concurrency: z.int().min(1).max(1024).default(16) }).prefault({}),
  limits: Limits.prefault({}),
  /** What is kept of a command's output until the return queue has taken it. */
  spool: z
    .strictObject({
      /** For one command, in bytes; a command that prints more is held back until some of it was sent. */
      outputLimitBytes: z
        .int()
        .min(2 ** 20)
        .default(64 * 2 ** 20),
    })
    .prefault({}),
  /** How long SIGTERM waits for commands that are about to end, in seconds. The others go on under the runner. */
  stopGraceSeconds: z.number().min(0).max(3600).default(5),
})
export type AgentConfig = z.output<typeof AgentConfig> & {
  /** The file that says so, or would if it were there. */
  configPath?: string
}

/** Read when no file is named; it may be absent. */
export const defaultConfigPath = '/etc/sahara-agent/agent.yaml'
