import { readFile } from 'node:fs/promises'
import { Bootstrap } from '../../protocol/messages/enrolment.ts'
import { findForeignHand } from '../private-files.ts'
import { isMissingFile } from '../state-directory.ts'

/** What lies at the bootstrap's path. A half-written or foreign file is not the end: it may be replaced. */
export type BootstrapReading =
  | { kind: 'found'; bootstrap: Bootstrap }
  | { kind: 'missing' }
  | { kind: 'unusable'; why: string }

/** Reads the bootstrap file. What is wrong with it is told by its keys, never by its values. */
export async function readBootstrap(path: string): Promise<BootstrapReading> {
  let json: unknown
  try {
    const foreign = await findForeignHand(path)
    if (foreign !== undefined) return { kind: 'unusable', why: foreign }
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    if (isMissingFile(error)) return { kind: 'missing' }
    // The message of a JSON error quotes the text, and so perhaps the secret.
    return { kind: 'unusable', why: error instanceof SyntaxError ? 'not JSON' : String(error) }
  }
  const parsed = Bootstrap.safeParse(json)
  if (parsed.success) return { kind: 'found', bootstrap: parsed.data }
  const keys = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys : [issue.path.join('.') || '(root)'],
  )
  return { kind: 'unusable', why: `wrong at ${keys.slice(0, 8).join(', ')}` }
}
