import { realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, normalize } from 'node:path'
import type { Command, Operation } from '../../protocol/messages/command.ts'
import type { ExecOperation, WriteOperation } from '../../protocol/messages/operations.ts'
import { secretVariable } from '../../protocol/messages/secrets.ts'
import { findOwner } from '../operations/find-owner.ts'
import { findProgram } from '../runner/find-program.ts'
import { findUser } from '../runner/find-user.ts'
import { findDirectory, pathsToProgram, standardPath } from '../runner/launch-program.ts'
import type { CompiledRule, Policy } from './compile-policy.ts'
import type { GovernedOperation } from './policy-file.ts'
import type { AskedPath, AskedProgram, AskedUser, Question } from './question.ts'

/** An operation that rules speak of. */
export type Governed = Extract<Operation, { name: GovernedOperation }>

export function isGoverned(operation: Operation): operation is Governed {
  return operation.name !== 'cancel' && operation.name !== 'credentials'
}

/**
 * Looks up what the policy wants to know about a command, as it is at this moment: users, and where programs and paths lead.
 * What no rule asks for is not looked up.
 */
export async function examineCommand(
  operation: Governed,
  { timeoutSeconds, content }: Pick<Command, 'timeoutSeconds' | 'content'>,
  policy: Policy,
): Promise<Question> {
  return {
    operation: operation.name,
    user: await examineUser(operation, asks(policy, operation, 'users')),
    program:
      operation.name === 'exec'
        ? await examineProgram(operation, asksAboutProgram(policy, operation))
        : null,
    environment: operation.name === 'exec' ? variablesOf(operation) : [],
    path:
      operation.name === 'read' || operation.name === 'write' ? examinePath(operation.path) : null,
    port: operation.name === 'http' ? portOf(operation.url) : null,
    setsOwnerOrId: operation.name === 'write' && (await setsOwnerOrId(operation)),
    timeoutSeconds,
    contentBytes: content?.size ?? 0,
  }
}

/** Every path that `examineCommand`, or the runner after it, looks at. Looks at none of them. */
export async function listLookedAt(operation: Governed, policy: Policy): Promise<string[]> {
  if (operation.name === 'read' || operation.name === 'write') return [operation.path]
  if (operation.name !== 'exec') return []
  const { argv, interpreter, cwd, user, env } = operation
  const verdict = await findUser(user ?? null)
  const home = verdict.found ? verdict.user.home : '/'
  const name = (argv ?? interpreter)[0] ?? ''
  const ofSystem = asksAboutProgram(policy, operation) ? standardPath.split(':') : []
  return [...pathsToProgram(name, { cwd: cwd ?? null, env }, home), ...ofSystem]
}

function asksAboutProgram(policy: Policy, operation: Governed): boolean {
  return asks(policy, operation, 'argv') || asks(policy, operation, 'interpreters')
}

function asks(policy: Policy, { name }: Governed, condition: keyof CompiledRule): boolean {
  return policy.rules.some((rule) => rule[condition] !== null && rule.operations.includes(name))
}

/** A secret brings a variable as well: SSL_CERT_FILE, for one, makes a program trust others. */
function variablesOf({ env, secrets = {} }: ExecOperation): string[] {
  return [...Object.keys(env), ...Object.keys(secrets).map(secretVariable)]
}

/** Follows all links of a path; null where there is nothing. */
export function resolvePath(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

/** Where a path leads at this moment; what does not exist yet is looked for in the folder that does. */
export function examinePath(asked: string): AskedPath {
  const written = normalize(asked)
  const folder = resolvePath(dirname(asked))
  const inFolder = folder === null ? resolveDeepest(written) : join(folder, basename(asked))
  const leadsTo = resolvePath(asked) ?? inFolder
  return { leadsTo, names: [...new Set([asked, written, inFolder, leadsTo])] }
}

/** Nothing can be opened below what does not exist; it is named all the same. */
function resolveDeepest(path: string): string {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const resolved = resolvePath(folder)
    if (resolved !== null) return join(resolved, path.slice(folder.length))
  }
  return path
}

async function examineUser(operation: Governed, isAsked: boolean): Promise<AskedUser | null> {
  if (operation.name !== 'exec' && operation.name !== 'read' && operation.name !== 'write')
    return null
  const { user: name } = operation
  if (!isAsked) return name === undefined ? null : { name, uid: null }
  const verdict = await findUser(name ?? null)
  if (verdict.found) return { name: verdict.user.name, uid: verdict.user.uid }
  return { name: name ?? '', uid: null }
}

/** Root's set-user bit on a file of anybody's making is root's right; so whatever is unclear counts. */
async function setsOwnerOrId({ mode, owner, user: name }: WriteOperation): Promise<boolean> {
  if (mode !== undefined && (Number.parseInt(mode, 8) & 0o6000) !== 0) return true
  if (owner === undefined) return false
  try {
    const [verdict, { uid, gid }] = [await findUser(name ?? null), await findOwner(owner)]
    if (!verdict.found) return true
    const { user } = verdict
    return (uid ?? user.uid) !== user.uid || (gid ?? user.gid) !== user.gid
  } catch {
    return true
  }
}

async function examineProgram(operation: ExecOperation, isAsked: boolean): Promise<AskedProgram> {
  const { argv: given, interpreter } = operation
  const isScript = given === undefined
  const argv = given ?? interpreter
  const unknown = { isScript, argv, found: null, target: null, isOfSystem: false }
  if (!isAsked) return unknown
  const verdict = findProgram(
    argv[0] ?? '',
    operation.env['PATH'] ?? standardPath,
    await startFolder(operation),
  )
  if (!verdict.found) return unknown
  const folder = resolvePath(dirname(verdict.path)) ?? dirname(verdict.path)
  const ofSystem = standardPath.split(':').map((each) => resolvePath(each) ?? each)
  return {
    isScript,
    argv,
    found: join(folder, basename(verdict.path)),
    target: resolvePath(verdict.path),
    isOfSystem: ofSystem.includes(folder),
  }
}

/** Where a program's relative path counts from, as the runner has it. */
async function startFolder({ cwd, user, env, argv, interpreter }: ExecOperation): Promise<string> {
  const name = (argv ?? interpreter)[0] ?? ''
  const isRelative = name.includes('/') ? !isAbsolute(name) : env['PATH'] !== undefined
  if (!isRelative) return '/'
  const verdict = await findUser(user ?? null)
  return verdict.found ? findDirectory({ cwd: cwd ?? null }, verdict.user) : '/'
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url)
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}
