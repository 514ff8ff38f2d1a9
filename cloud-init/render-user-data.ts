import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { ConfigInvalidError, SaharaAgentError } from '../protocol/errors.ts'
import { Bootstrap } from '../protocol/messages/enrolment.ts'

/** `cloud-config` is declarative and works with cloud-init only; `script` is plain sh, for whatever runs user-data. */
export type UserDataFormat = 'cloud-config' | 'script'

export interface RenderOptions {
  /** Where the agent looks for its bootstrap: an absolute path of plain characters. */
  bootstrapPath?: string
}

/** EC2's limit, the smallest among the metadata services; Nova takes 64 KiB of base64. */
const userDataLimitBytes = 16 * 1024

/** Where the agent looks for its bootstrap, when nobody says otherwise. */
const defaultBootstrapPath = '/etc/sahara-agent/bootstrap.json'

/**
 * Renders what an instance gets as user-data: it writes the bootstrap (0600) and starts the agent that the image holds.
 * The text is a secret, for the enrolment secret and two signed URLs are in it.
 *
 * @throws {UserDataTooLargeError} the text would be longer than `userDataLimitBytes`.
 * @throws {ConfigInvalidError} `bootstrapPath` cannot stand in a shell script and in YAML as it is.
 */
export function renderUserData(
  bootstrap: Bootstrap,
  format: UserDataFormat,
  { bootstrapPath = defaultBootstrapPath }: RenderOptions = {},
): string {
  requirePlainPath(bootstrapPath)
  const userData = readTemplate(format)
    .replaceAll('@BOOTSTRAP_PATH@', () => bootstrapPath)
    .replaceAll('@BOOTSTRAP@', () => encodeBootstrap(bootstrap, format))
  const sizeBytes = Buffer.byteLength(userData)
  if (sizeBytes > userDataLimitBytes) throw new UserDataTooLargeError(sizeBytes)
  return userData
}

function readTemplate(format: UserDataFormat): string {
  const name = format === 'cloud-config' ? 'user-data.yaml' : 'user-data.sh'
  return readFileSync(new URL(`templates/${name}`, import.meta.url), 'utf8')
}

/**
 * JSON without a line break ends no here-document early, and base64 has no meaning in YAML. ASCII only, because some
 * metadata services guess at the encoding.
 */
function encodeBootstrap(bootstrap: Bootstrap, format: UserDataFormat): string {
  const json = JSON.stringify(z.encode(Bootstrap, bootstrap)).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return format === 'cloud-config' ? Buffer.from(`${json}\n`).toString('base64') : json
}

function requirePlainPath(path: string): void {
  if (/^(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$/.test(path)) return
  throw new ConfigInvalidError(
    `bootstrap path ${JSON.stringify(path)} must be absolute and of letters, digits and _.-/ only; name another`,
  )
}

/** The user-data would not fit into every metadata service. */
class UserDataTooLargeError extends SaharaAgentError {
  readonly code = 'ERR_USER_DATA_TOO_LARGE'
  readonly sizeBytes: number

  constructor(sizeBytes: number) {
    super(
      `user-data would be ${sizeBytes} bytes long, more than the ${userDataLimitBytes} that every cloud takes; ` +
        'put the certificate authority into the image instead, or name fewer certificates',
    )
    this.sizeBytes = sizeBytes
  }
}
