import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'
import { compilePolicy, type Policy } from './compile-policy.ts'
import { resolvePath } from './examine-command.ts'
import { PolicyFile } from './policy-file.ts'

/** The policy as it was found when it was read. */
export interface LoadedPolicy {
  /** `absent`: there is no file, and the preset `sahara` holds. `broken`: everything is refused. */
  source: 'file' | 'absent' | 'broken'
  path: string
  policy: Policy
  /** What is wrong with a broken one. */
  problem: string | null
  /** Of the file's bytes. */
  sha256: string | null
}

const sizeLimitBytes = 1024 * 1024

/**
 * Reads the policy. Never throws: a file that cannot be read, is not a policy, or may be changed by others than root and
 * this user, is a policy that refuses everything. Without a file the preset `sahara` holds, since images without one must
 * work.
 */
export async function readPolicy(path: string, ownPaths: readonly string[]): Promise<LoadedPolicy> {
  const compile = (file: PolicyFile) => compilePolicy(file, { ownPaths, resolvePath })
  const read = await readText(path)
  if (read.kind === 'absent') {
    const policy = compile(PolicyFile.parse({ version: 1, preset: 'sahara' }))
    return { source: 'absent', path, policy, problem: null, sha256: null }
  }
  const refuseAll = (problem: string, sha256: string | null): LoadedPolicy => {
    const policy = compile(PolicyFile.parse({ version: 1, preset: 'nothing' }))
    return { source: 'broken', path, policy, problem: problem.slice(0, 2048), sha256 }
  }
  if (read.kind === 'unreadable') return refuseAll(read.problem, null)
  const sha256 = createHash('sha256').update(read.bytes).digest('hex')
  // Only where there is a policy is the parser of YAML loaded.
  const { parsePolicy } = await import('./parse-policy.ts')
  const parsed = parsePolicy(read.bytes.toString('utf8'))
  if (!parsed.ok) {
    const [first] = parsed.problems
    return refuseAll(`line ${first?.line}: ${first?.message}`, sha256)
  }
  return { source: 'file', path, policy: compile(parsed.file), problem: null, sha256 }
}

type Read =
  | { kind: 'read'; bytes: Buffer }
  | { kind: 'absent' }
  | { kind: 'unreadable'; problem: string }

async function readText(path: string): Promise<Read> {
  try {
    // Without O_NONBLOCK, to open a FIFO would wait for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const problem = findFault(await file.stat())
    if (problem !== null) return { kind: 'unreadable', problem }
    return { kind: 'read', bytes: await file.readFile() }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { kind: 'absent' }
    const problem = error instanceof Error ? error.message : String(error)
    return { kind: 'unreadable', problem }
  }
}

/** A policy that others may change is not the tenant's word. */
function findFault(stats: Stats): string | null {
  if (!stats.isFile()) return 'it is no regular file'
  if (stats.size > sizeLimitBytes) return 'it is longer than 1 MiB'
  if ((stats.mode & 0o022) !== 0) return 'others may write it; chmod go-w it'
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) {
    return 'it belongs neither to root nor to the user that the agent runs as; chown it'
  }
  return null
}
