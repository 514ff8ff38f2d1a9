import { Command, InvalidArgumentError, Option } from 'commander'
import { z } from 'zod'
import { Sha256 } from '../../protocol/messages/wire-types.ts'
import { type AuditHead, parseLine } from '../audit/audit-line.ts'
import { readAudit, type StoredLine } from '../audit/read-audit.ts'
import { listSegments } from '../audit/segments.ts'
import { type Verification, verifyAudit } from '../audit/verify-audit.ts'
import { AuditBrokenError, CommandNotFoundError, FileUnreadableError } from '../errors.ts'
import { auditDirectory } from '../own-paths.ts'
import { readAgentConfig } from '../read-config.ts'
import { describeLine } from './describe-line.ts'
import { print } from './output.ts'

interface AuditPlace {
  config?: string
  stateDirectory?: string
  directory?: string
}

const examples = `
Examples:
  $ sahara-agent audit show --since 2026-11-01
  $ sahara-agent audit show --command 0199d0a2-6f3e-7c41-9a51-0c2f6b1de001
  $ sahara-agent audit verify
  $ sahara-agent audit verify --head 1234:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  $ sahara-agent audit export > audit.jsonl

The head that the controller has seen last stands in: sahara-controller instance show CLUSTER/INSTANCE`

/** `sahara-agent audit`: what the agent was asked and did, for the tenant. */
export function auditCommandLine(): Command {
  const audit = new Command('audit')
    .description('show, verify and export the log of what the agent was asked and did')
    .addHelpText('after', examples)
  withPlace(audit.command('show'))
    .description('show lines, the oldest first')
    .addOption(new Option('--since <time>', 'not what was before').argParser(parseMoment))
    .addOption(
      new Option('--command <id>', 'only what is about this command').argParser(parseCommandId),
    )
    .option('--json', 'the lines as they are')
    .action(show)
  withPlace(audit.command('verify'))
    .description(
      'check that no line was changed, left out or cut off; exits with 1 if so, or without a log',
    )
    .addOption(
      new Option('--head <sequence:hash>', 'a line that was seen before').argParser(parseHead),
    )
    .option('--json', 'one JSON document on standard output')
    .action(verify)
  withPlace(audit.command('export'))
    .description('print all lines as they are, so that they can be kept elsewhere')
    .action(exportAll)
  return audit
}

function withPlace(command: Command): Command {
  return command
    .option('--config <file>', 'the agent’s configuration')
    .option('--state-directory <directory>', 'its state directory; overrides stateDirectory')
    .option('--directory <directory>', 'where the log lies; overrides all of these')
}

async function findDirectory({ config, stateDirectory, directory }: AuditPlace): Promise<string> {
  if (directory !== undefined) return directory
  return auditDirectory(await readAgentConfig(config, { stateDirectory }))
}

/**
 * The lines of a log that is there.
 *
 * @throws {AuditBrokenError} there is none; an agent that has started has one.
 * @throws {FileUnreadableError} it is not for this user to read.
 */
async function* readLog(directory: string): AsyncGenerator<StoredLine> {
  try {
    if (listSegments(directory).length > 0) return yield* readAudit(directory)
  } catch (cause) {
    throw unreadable(directory, cause)
  }
  const why = 'no agent has run with it, or its log was removed'
  throw new AuditBrokenError(`there is no audit log in ${directory}: ${why}`)
}

function unreadable(directory: string, cause: unknown): FileUnreadableError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const isForbidden = cause instanceof Error && 'code' in cause && cause.code === 'EACCES'
  const message = isForbidden
    ? `the audit log in ${directory} is for the agent’s user only; run this as root`
    : `the audit log in ${directory} cannot be read: ${why}`
  return new FileUnreadableError(message, { cause })
}

async function show(
  options: AuditPlace & { since?: Date; command?: string; json?: true },
): Promise<void> {
  const { since, command, json } = options
  let isFound = false
  for await (const { text } of readLog(await findDirectory(options))) {
    const line = parseLine(text)
    if (!line) {
      if (!command) await print(json ? `${text}\n` : '(no line of the log)\n')
      continue
    }
    if (since && line.at < since) continue
    if (command !== undefined && line.command?.toLowerCase() !== command) continue
    isFound = true
    await print(json ? `${text}\n` : `${describeLine(line)}\n`)
  }
  if (isFound || command === undefined) return
  throw new CommandNotFoundError(`no line${since ? ' since then' : ''} is about command ${command}`)
}

async function verify(options: AuditPlace & { head?: AuditHead; json?: true }): Promise<void> {
  const directory = await findDirectory(options)
  const found = await verifyAudit(readLog(directory), options.head)
  if (options.json) await print(`${JSON.stringify(found, null, 2)}\n`)
  else if (!found.fault) await print(describeVerification(found, directory))
  if (!found.fault) return
  const { file, lineNumber, why } = found.fault
  const where = lineNumber === 0 ? directory : `${file}, line ${lineNumber}`
  const before = found.lines === 0 ? '' : '; the lines before it hold'
  throw new AuditBrokenError(`${where}: ${why}${before}`)
}

function describeVerification(found: Verification, directory: string): string {
  const { lines, firstSequence, head, hasTornEnd, notable } = found
  const notes = [
    ...Object.entries(notable).map(([event, count]) => `${count} lines say "${event}"`),
    ...(hasTornEnd
      ? ['the last line is not whole yet: an agent is writing it, or a crash has cut it']
      : []),
  ]
  const from = firstSequence === null ? '' : ` (from line ${firstSequence} on)`
  return [
    `${directory}: ${lines} lines${from}, and the chain holds`,
    `head: ${head.sequence}:${head.hash}`,
    ...notes.map((note) => `note: ${note}`),
    '',
  ].join('\n')
}

async function exportAll(options: AuditPlace): Promise<void> {
  for await (const { text, isWhole } of readLog(await findDirectory(options))) {
    if (isWhole) await print(`${text}\n`)
  }
}

function parseCommandId(text: string): string {
  if (z.uuid().safeParse(text).success) return text.toLowerCase()
  throw new InvalidArgumentError('Write a command’s whole id, such as its lines show it.')
}

function parseMoment(text: string): Date {
  const moment = new Date(text)
  if (!Number.isNaN(moment.getTime())) return moment
  throw new InvalidArgumentError('Write a time such as 2026-11-01 or 2026-11-01T12:00:00Z.')
}

function parseHead(text: string): AuditHead {
  const [sequence = '', hash = ''] = text.split(':')
  if (/^\d{1,15}$/.test(sequence) && Sha256.safeParse(hash).success) {
    return { sequence: Number(sequence), hash }
  }
  throw new InvalidArgumentError('Write a line’s number and its SHA-256, with a colon between.')
}
