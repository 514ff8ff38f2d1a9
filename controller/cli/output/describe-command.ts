import { z } from 'zod'
import type { CommandRecord } from '../../api/resources.ts'
import { formatDuration } from './human-time.ts'

/** What of an operation is worth a column; all of it is optional, since an API of another version may know others. */
const Described = z.object({
  name: z.string(),
  argv: z.array(z.string()).optional().catch(undefined),
  interpreter: z.array(z.string()).optional().catch(undefined),
  path: z.string().optional().catch(undefined),
  url: z.string().optional().catch(undefined),
  target: z.string().optional().catch(undefined),
})

/** The operation in one line: `ls -l /tmp`, `read /etc/hosts`, `script (/bin/sh)`. */
export function describeOperation(operation: CommandRecord['operation']): string {
  const { name, argv, interpreter, path, url, target } = Described.parse(operation)
  if (argv !== undefined) return argv.map(quote).join(' ')
  if (name === 'exec') return `script (${(interpreter ?? ['/bin/sh']).join(' ')})`
  return [name, path ?? url ?? target].filter((part) => part !== undefined).join(' ')
}

/** How a command ended, in words: `exit code 3 after 2.1s`, `refused: ... (rule ...)`. */
export function describeEnd({ state, result }: EndedCommand): string {
  const began = result?.startedAt
  const after =
    began === undefined || result === null
      ? ''
      : ` after ${formatDuration(result.endedAt.getTime() - began.getTime())}`
  const reason = result?.reason === undefined ? '' : `: ${result.reason.message}`
  const rule = result?.rule === undefined ? '' : ` (rule ${result.rule})`
  return `${describeState(state, result)}${after}${reason}${rule}`
}

type EndedCommand = Pick<CommandRecord, 'state' | 'result'>

function describeState(state: CommandRecord['state'], result: CommandRecord['result']): string {
  if (state !== 'failed') return state
  if (result?.exitCode !== undefined) return `exit code ${result.exitCode}`
  return result?.signal === undefined ? 'failed' : `ended by ${result.signal}`
}

/** As a POSIX shell would take it again. */
function quote(argument: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument
  return `'${argument.replaceAll("'", String.raw`'\''`)}'`
}

/** Cut to `limit` characters, with a sign that there was more. */
export function shorten(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`
}
