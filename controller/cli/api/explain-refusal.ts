import type { z } from 'zod'
import type { Problem } from '../../api/resources.ts'
import type { ControllerAddress } from './controller-address.ts'
import { describeAddress } from './controller-address.ts'

/** Where a key of a request comes from on the command line; what stands below a key has its flag too. */
const flags: ReadonlyMap<string, string> = new Map([
  ['before', '--before'],
  ['cluster', '--cluster'],
  ['format', '--format'],
  ['graceSeconds', '--grace'],
  ['instance', '--instance'],
  ['limit', '--limit'],
  ['startWithinSeconds', '--start-within'],
  ['state', '--state'],
  ['timeoutSeconds', '--timeout'],
  ['validDays', '--valid-days'],
  ['operation.cwd', '--cwd'],
  ['operation.env', '--env'],
  ['operation.headers', '--header'],
  ['operation.interpreter', '--interpreter'],
  ['operation.method', '--request'],
  ['operation.mode', '--mode'],
  ['operation.owner', '--owner'],
  ['operation.secrets', '--secret'],
  ['operation.user', '--user'],
])

/**
 * Says what the API refused in the words of the command line: by its flags where all that is wrong has one, and by
 * `--token-file` where the token is. Each thing is said once.
 */
export function explainRefusal(
  { code, detail, errors = [] }: z.output<typeof Problem>,
  address: ControllerAddress,
  sent: { json?: unknown } = {},
): string {
  if (code === 'ERR_API_UNAUTHORIZED') return explainToken(address)
  // What is long by itself goes as bytes; JSON is what stands on the command line.
  if (code === 'ERR_BODY_TOO_LARGE' && sent.json !== undefined) return tooLong('is too long')
  const byFlag = errors.map(tellByFlag)
  const known = byFlag.filter((text) => text !== undefined)
  if (known.length > 0 && known.length === byFlag.length) return known.join('; ')
  const untold = errors
    .map(({ path, message }) => `${path} ${message}`)
    .filter((part) => !detail.includes(part))
  return untold.length === 0 ? detail : `${detail}; ${untold.join('; ')}`
}

function tellByFlag({ path, message }: { path: string; message: string }): string | undefined {
  const [size] = /^is \d+ bytes, over \d+(?=;)/.exec(message) ?? []
  if (path === 'operation' && size !== undefined) return tooLong(size)
  for (const [key, flag] of flags) {
    if (path === key) return `${flag} ${message}`
    if (path.startsWith(`${key}.`)) {
      const entry = path.slice(key.length + 1).split('.', 1)
      return `${flag} ${entry.join()}: ${message}`
    }
  }
  return undefined
}

function tooLong(size: string): string {
  return (
    `the command, with all that stands on the command line, ${size}; hand over what is long by --script FILE or ` +
    '--stdin, or bring it there as a file with `put`'
  )
}

function explainToken(address: ControllerAddress): string {
  const where = describeAddress(address)
  return address.kind === 'url' && address.token !== null
    ? `the controller at ${where} does not know the token that was sent; name by --token-file (or ` +
        'SAHARA_CONTROLLER_TOKEN_FILE) a file with the one that it was started with'
    : `the controller at ${where} wants a token, and none was sent; name the file with it by --token-file FILE (or ` +
        'SAHARA_CONTROLLER_TOKEN_FILE)'
}
