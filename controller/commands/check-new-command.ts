import { inlineLimitBytes } from '../../protocol/messages/operations.ts'
import { inBase64, secretVariable } from '../../protocol/messages/secrets.ts'
import type { NewCommand } from '../api/resources.ts'
import { type InvalidPart, RequestInvalidError } from '../errors.ts'

/** Small content that may come with the command itself, in bytes. */
const inlineContentLimitBytes = 128 * 1024

/**
 * Checks what a schema cannot say: which parts of a command belong together.
 *
 * @throws {RequestInvalidError}
 */
export function checkNewCommand(command: NewCommand): void {
  const parts = [...contentProblems(command), ...execProblems(command), ...sizeProblems(command)]
  if (parts.length === 0) return
  const first = parts.at(0)
  throw new RequestInvalidError(`the command is not valid: ${first?.path} ${first?.message}`, parts)
}

function contentProblems({ operation, content }: NewCommand): InvalidPart[] {
  if (operation.name === 'write' && content === undefined) {
    return [{ path: 'content', message: 'is missing: it is what the file will hold' }]
  }
  if (content === undefined) return []
  if (['read', 'ping', 'cancel'].includes(operation.name)) {
    return [{ path: 'content', message: `does not belong to the operation ${operation.name}` }]
  }
  if ('bytes' in content && content.bytes.length > inlineContentLimitBytes) {
    const message = `is over ${inlineContentLimitBytes} bytes; store it with POST /v1/contents and name its sha256`
    return [{ path: 'content.bytes', message }]
  }
  return []
}

function execProblems({ operation, content }: NewCommand): InvalidPart[] {
  if (operation.name !== 'exec') return []
  const { argv, script, contentIs, stdin, env, secrets = {} } = operation
  const sources = [argv !== undefined, script !== undefined, contentIs === 'script']
  const problems: InvalidPart[] = []
  if (sources.filter(Boolean).length !== 1) {
    const message =
      'must have exactly one of `argv`, `script`, and content with `contentIs: script`'
    problems.push({ path: 'operation', message })
  }
  if ((contentIs === undefined) !== (content === undefined)) {
    const message = 'and `content` must be given together'
    problems.push({ path: 'operation.contentIs', message })
  }
  if (contentIs === 'stdin' && stdin === 'open') {
    const message = 'must not be `open` when the content is the whole of standard input'
    problems.push({ path: 'operation.stdin', message })
  }
  for (const name of Object.keys(secrets)) {
    const variable = secretVariable(name)
    if (!(variable in env)) continue
    const message = `is set already: it says where the secret "${name}" is`
    problems.push({ path: `operation.env.${variable}`, message })
  }
  return problems
}

/** The sealed command must fit one message: base64 makes 4/3 of it, twice (JWS in JWE), below 256 KiB. */
function sizeProblems({ operation }: NewCommand): InvalidPart[] {
  const { secrets = {}, ...rest } =
    operation.name === 'exec' ? operation : { ...operation, secrets: undefined }
  const sealedBytes = Object.values(secrets).map((secret) => inBase64(secret.bytes.length) + 512)
  const bytes = sealedBytes.reduce(
    (sum, each) => sum + each,
    Buffer.byteLength(JSON.stringify(rest)),
  )
  if (bytes <= inlineLimitBytes) return []
  const message = `is ${bytes} bytes, over ${inlineLimitBytes}; send a long script as content (contentIs: script)`
  return [{ path: 'operation', message }]
}
