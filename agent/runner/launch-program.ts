import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { layDownSecrets } from '../secrets/secret-files.ts'
import { errnoOf } from './command-record.ts'
import type { CommandSpec } from './command-spec.ts'
import type { ControlGroup } from './control-group.ts'
import { openEnvironmentFile, quote } from './environment-file.ts'
import { findProgram, listCandidates } from './find-program.ts'
import { findUser, type User } from './find-user.ts'
import type { Pipe, PipePool } from './pipe-pool.ts'
import type { PathProbe } from './unresponsive-path.ts'

/** A program that runs, with our ends of its pipes. */
export interface Launched {
  ok: true
  child: ChildProcess
  pid: number
  stdout: Socket
  /** Null on a terminal, where both are one. */
  stderr: Socket | null
  /** Null unless standard input is fed from outside. */
  stdin: Socket | null
  /** Whether the user could not enter the directory; known when the program has ended. */
  couldNotEnter: () => boolean
}

export interface NotLaunched {
  ok: false
  reason: string
  message: string
  /** As a shell would give it. */
  exitCode?: number
}

/** Starts a command's program in a session of its own, as its user, in its directory, with a clean environment. */
export async function launchProgram(
  spec: CommandSpec,
  pipes: PipePool,
  group: ControlGroup | undefined,
  probe: PathProbe,
): Promise<Launched | NotLaunched> {
  const verdict = await findUser(spec.user)
  if (!verdict.found) return { ok: false, reason: verdict.reason, message: verdict.message }
  const { user, isCurrent } = verdict
  const env = buildEnvironment(spec, user)
  // Before anything looks at them: whoever looks at a file server that is gone waits for ever, with all other commands.
  const silent = await probe.findUnresponsive(
    () => pathsOf(spec, user, isCurrent),
    () => {
      const directory = findDirectory(spec, user)
      const program = findProgram(programOf(spec), env['PATH'] ?? '', directory)
      return program.found ? { path: program.path, directory } : undefined
    },
  )
  if (silent !== undefined) return unresponsive(silent)
  const cwd = findDirectory(spec, user)
  if (!isDirectory(cwd)) return noSuchDirectory(cwd)

  if (Object.values(env).some((value) => value.includes('\0'))) return nulByte
  const program = findProgram(programOf(spec), env['PATH'] ?? '', cwd)
  if (!program.found) return noProgram(programOf(spec), program.reason)
  if (spec.pty && !findProgram('script', standardPath, '/').found) return noTerminal
  if (!isCurrent && !findProgram('setpriv', standardPath, '/').found) return noSetpriv

  const open: number[] = []
  try {
    const script = openScript(spec, isCurrent ? null : user)
    if (script !== null) open.push(script)
    const secrets = spec.secrets && layDownSecrets(spec.id, spec.secrets, user, open)
    const variables = secrets ? { ...env, ...secrets.variables } : env
    const environment = isCurrent ? null : openEnvironmentFile(spec.directory, variables, user)
    if (environment !== null) open.push(environment)
    const argv = buildArgv({ spec, user, isCurrent, cwd, env, path: program.path })
    const stdio = await openStandardStreams(spec, user, pipes, open)
    return await start(argv, group, {
      cwd: isCurrent ? cwd : '/',
      env: isCurrent ? variables : environmentOfRoot(spec),
      stdio,
      script,
      environment,
      secrets: secrets?.descriptors ?? [],
    })
  } catch (error) {
    return explainSpawnError(error, programOf(spec))
  } finally {
    for (const file of open) closeSync(file)
  }
}

/** All that is looked at on the way to the program. */
function pathsOf(spec: CommandSpec, user: User, isCurrent: boolean): string[] {
  const onTheWay = [...(spec.pty ? ['script'] : []), ...(isCurrent ? [] : ['setpriv'])]
  return [
    ...pathsToProgram(programOf(spec), spec, user.home),
    ...onTheWay.flatMap((name) => listCandidates(name, standardPath, '/')),
  ]
}

/** The directory that a program starts in, and every place where it may lie. Looks at none of them. */
export function pathsToProgram(
  name: string,
  { cwd, env }: Pick<CommandSpec, 'cwd' | 'env'>,
  home: string,
): string[] {
  const directory = resolve(home, cwd ?? '')
  // Whether there is a home is not known before it is looked at: see `findDirectory`.
  const directories = cwd === null ? [directory, '/'] : [directory]
  const candidates = directories.flatMap((each) =>
    listCandidates(name, env['PATH'] ?? standardPath, each),
  )
  return [...new Set([directory, ...candidates])]
}

function unresponsive(path: string): NotLaunched {
  const message = `the file system of "${path}" does not answer; is its server down?`
  return { ok: false, reason: 'path-unresponsive', message }
}

/** Where programs are looked for that are named without a path. */
export const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The clean environment of operations.ts, then what the command adds. */
function buildEnvironment(
  spec: Pick<CommandSpec, 'id' | 'env'>,
  user: User,
): Record<string, string> {
  return {
    PATH: standardPath,
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: user.shell,
    LANG: 'C.UTF-8',
    ...spec.env,
    SAHARA_COMMAND_ID: spec.id,
  }
}

/** For what root starts on the way to another user; nothing in it is the command's word. The id marks its processes. */
function environmentOfRoot({ id }: Pick<CommandSpec, 'id'>): Record<string, string> {
  return { PATH: standardPath, LANG: 'C.UTF-8', SAHARA_COMMAND_ID: id }
}

/** What is asked for; else the user's home, or / where there is none (as sshd does it). */
export function findDirectory(spec: Pick<CommandSpec, 'cwd'>, user: User): string {
  if (spec.cwd !== null) return resolve(user.home, spec.cwd)
  return isDirectory(user.home) ? user.home : '/'
}

interface ArgvParts {
  spec: CommandSpec
  user: User
  isCurrent: boolean
  cwd: string
  env: Record<string, string>
  /** Where the program was found. */
  path: string
}

/** Words before the program's own, from the outside in: become the user, enter the directory. */
function buildArgv({ spec, user, isCurrent, cwd, env, path }: ArgvParts): string[] {
  let argv = programArgv(spec, isCurrent)
  // A name that begins with a dash would be taken for an option on the way.
  if (argv[0]?.startsWith('-')) argv = [path, ...argv.slice(1)]
  if (spec.pty) argv = onTerminal(argv, env)
  return isCurrent ? argv : asUser(user, cwd, argv)
}

/**
 * The variables (descriptor 5) come in after root has gone. The directory is entered by the user, not by root on the user's behalf, who could enter where the user cannot.
 * Node's own `uid` option is of no use: it keeps root's supplementary groups.
 */
function asUser(user: User, cwd: string, argv: string[]): string[] {
  const enter =
    '. /dev/fd/5 2>/dev/null; cd -- "$0" 2>/dev/null || { echo no >&4; exit 1; }; exec "$@" 4>&- 5<&-'
  return becomeUser(user, ['/bin/sh', '-c', enter, cwd, ...argv])
}

/** The words that make the program after them run with a user's rights, and no others. */
export function becomeUser(user: User, argv: string[]): [string, ...string[]] {
  const setpriv = findProgram('setpriv', standardPath, '/')
  const path = setpriv.found ? setpriv.path : 'setpriv'
  return [path, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--', ...argv]
}

/**
 * `script` (util-linux) makes the terminal, gives the exit code on, and turns the end of standard input into ^D. It
 * runs its words through $SHELL, which may be `nologin`. A signal comes out as 128 + number, as in a shell.
 */
function onTerminal(argv: string[], env: Record<string, string>): string[] {
  const line = [
    'stty rows 24 cols 80 2>/dev/null',
    `export SHELL=${quote(env['SHELL'] ?? '/bin/sh')}`,
    `exec ${argv.map(quote).join(' ')}`,
  ].join('; ')
  const script = findProgram('script', standardPath, '/')
  const path = script.found ? script.path : 'script'
  return ['/usr/bin/env', 'SHELL=/bin/sh', path, '-qefc', line, '/dev/null']
}

function programOf(spec: CommandSpec): string {
  return (spec.run.kind === 'argv' ? spec.run.argv[0] : spec.run.interpreter[0]) ?? ''
}

function programArgv(spec: CommandSpec, isCurrent: boolean): string[] {
  if (spec.run.kind === 'argv') return spec.run.argv
  return [...spec.run.interpreter, isCurrent ? scriptPath(spec) : '/dev/fd/3']
}

function scriptPath(spec: CommandSpec): string {
  return join(spec.directory, 'script')
}

/**
 * Lays the script down. Another user cannot enter the command's directory, and need not: the file is the user's own
 * and is reached through a descriptor that root opened, as /dev/fd/3.
 */
function openScript(spec: CommandSpec, user: User | null): number | null {
  if (spec.run.kind === 'argv') return null
  const path = scriptPath(spec)
  rmSync(path, { force: true })
  if (spec.run.kind === 'script') writeFileSync(path, spec.run.text, { mode: 0o600, flag: 'wx' })
  else copyFileSync(spec.run.path, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  chmodSync(path, 0o500)
  if (user === null) return null
  chownSync(path, user.uid, user.gid)
  return openSync(path, 'r')
}

interface StandardStreams {
  stdin: Pipe | { childs: number }
  stdout: Pipe
  stderr: Pipe | null
}

/** Every descriptor that only the child is to keep is added to `open`. */
async function openStandardStreams(
  spec: CommandSpec,
  user: User,
  pipes: PipePool,
  open: number[],
): Promise<StandardStreams> {
  const ours: number[] = []
  const opened = (pipe: Pipe): Pipe => {
    open.push(pipe.childs)
    ours.push(pipe.ours)
    return pipe
  }
  try {
    const stdout = opened(await pipes.toRead(user.uid))
    const stderr = spec.pty ? null : opened(await pipes.toRead(user.uid))
    if (spec.stdin.kind === 'open') {
      return { stdin: opened(await pipes.toWrite(user.uid)), stdout, stderr }
    }
    const stdin = openSync(spec.stdin.kind === 'file' ? spec.stdin.path : '/dev/null', 'r')
    open.push(stdin)
    return { stdin: { childs: stdin }, stdout, stderr }
  } catch (error) {
    for (const file of ours) closeSync(file)
    throw error
  }
}

interface StartOptions {
  cwd: string
  env: Record<string, string>
  stdio: StandardStreams
  script: number | null
  /** Null: `env` is the program's. */
  environment: number | null
  /** Descriptors that the program gets from 6 on (`secret-files.ts`). */
  secrets: readonly number[]
}

async function start(
  argv: string[],
  group: ControlGroup | undefined,
  options: StartOptions,
): Promise<Launched> {
  const { stdin, stdout, stderr } = options.stdio
  const ours = [
    new Socket({ fd: stdout.ours, readable: true, writable: false }),
    ...(stderr ? [new Socket({ fd: stderr.ours, readable: true, writable: false })] : []),
    ...('ours' in stdin ? [new Socket({ fd: stdin.ours, readable: false, writable: true })] : []),
  ]
  try {
    const spawnOptions = {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: [
        stdin.childs,
        stdout.childs,
        (stderr ?? stdout).childs,
        options.script ?? 'ignore',
        options.environment === null ? 'ignore' : 'pipe',
        options.environment ?? 'ignore',
        ...options.secrets,
      ],
    } satisfies SpawnOptions
    const spawnProgram = () => spawn(argv[0] ?? '', argv.slice(1), spawnOptions)
    const child = group === undefined ? spawnProgram() : group.startInside(spawnProgram)
    await spawned(child)
    let couldNotEnter = false
    child.stdio[4]
      ?.on('error', () => {})
      .on('data', () => {
        couldNotEnter = true
      })
    return {
      ok: true,
      child,
      pid: child.pid ?? 0,
      stdout: ours[0] ?? new Socket(),
      stderr: stderr ? (ours[1] ?? null) : null,
      stdin: 'ours' in stdin ? (ours.at(-1) ?? null) : null,
      couldNotEnter: () => couldNotEnter,
    }
  } catch (error) {
    for (const socket of ours) socket.destroy()
    throw error
  }
}

/** Node tells of a program that cannot be executed by an event. */
function spawned(child: ChildProcess): Promise<void> {
  const { promise, resolve: settle, reject } = Promise.withResolvers<void>()
  child.once('spawn', settle)
  child.once('error', reject)
  return promise
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

export function noSuchDirectory(path: string): NotLaunched {
  const message = `"${path}" is not a directory that can be entered; make it, or name another`
  return { ok: false, reason: 'no-such-directory', message }
}

function noProgram(name: string, reason: 'no-such-program' | 'not-executable'): NotLaunched {
  return reason === 'no-such-program'
    ? {
        ok: false,
        reason,
        message: `"${name}" was not found; install it or check PATH`,
        exitCode: 127,
      }
    : { ok: false, reason, message: `"${name}" may not be executed; check its mode`, exitCode: 126 }
}

const noTerminal: NotLaunched = {
  ok: false,
  reason: 'no-pty',
  message:
    'a terminal needs the program "script" of util-linux; install it, or ask for no terminal',
}

const noSetpriv: NotLaunched = {
  ok: false,
  reason: 'no-setpriv',
  message: 'another user needs the program "setpriv" of util-linux; install it, or name no user',
}

const nulByte: NotLaunched = {
  ok: false,
  reason: 'operation-malformed',
  message: 'a NUL byte stands in a word',
}

function explainSpawnError(error: unknown, program: string): NotLaunched {
  const code = errnoOf(error) ?? 'unknown error'
  switch (code) {
    case 'ENOENT':
      return noProgram(program, 'no-such-program')
    case 'EACCES':
    case 'ENOEXEC':
      return noProgram(program, 'not-executable')
    case 'ENOSPC':
    case 'EDQUOT':
      return { ok: false, reason: 'no-space', message: 'the disk is full; free some space' }
    case 'ERR_INVALID_ARG_VALUE':
      return nulByte
    default:
      return { ok: false, reason: 'spawn-failed', message: `"${program}" was not started: ${code}` }
  }
}
