import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { waitFor } from '../system/wait-for.ts'
import { findFreePorts } from '../zaqar/free-ports.ts'

/** An sshd of our own on loopback, with keys of its own, and how a client goes there. */
export interface TestSshd extends AsyncDisposable {
  /** `ssh TARGET true`: connects anew, exchanges keys and logs in. */
  cold: (command: readonly string[]) => Promise<void>
  /** The same over the connection that a ControlMaster keeps open. */
  warm: (command: readonly string[]) => Promise<void>
  /** Copies over the open connection; a path that begins with `:` is at the other end. */
  copy: (from: string, to: string) => Promise<void>
  /** What tells ssh the way, by the name `bench`, or `bench-` and anything. */
  configPath: string
  /** A directory at the other end that its user may write to. */
  files: string
}

/** A user id that no Debian package uses; it exists only where our sshd sees it. */
const testUserId = 54_321
const testUser = 'sahara-bench'
const sshdPath = '/usr/sbin/sshd'
const sftpServer = '/usr/lib/openssh/sftp-server'
const patienceMs = 60_000

/** What is missing for it on this machine; undefined when it can start. */
export function whyNoSshd(): string | undefined {
  const missing = [sshdPath, '/usr/bin/ssh', '/usr/bin/scp', '/usr/bin/ssh-keygen']
    .filter((path) => !existsSync(path))
    .join(', ')
  return missing === '' ? undefined : `no ${missing}; install openssh-server, openssh-client`
}

/**
 * Starts it for an unprivileged user: for root, one that exists in a mount namespace only, so that nothing of the
 * machine's is changed; for anybody else, oneself.
 */
export async function startSshd(): Promise<TestSshd> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'sahara-sshd-'))
  opened.defer(async () => await rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  // The user at the other end reads its key from here, and its files lie here.
  await chmod(directory, 0o755)
  const isRoot = process.getuid?.() === 0
  const user = isRoot ? testUser : userInfo().username
  const [port = 0] = await findFreePorts(1)
  await makeKeys(directory)
  const files = join(directory, 'files')
  await mkdir(files)
  if (isRoot) await chown(files, testUserId, testUserId)
  await writeFile(join(directory, 'sshd_config'), sshdConfig(directory, port))
  await writeFile(join(directory, 'ssh_config'), await sshConfig(directory, port, user))

  const log = await startDaemon(directory, isRoot, opened)
  const ssh = (flags: readonly string[], command: readonly string[]) =>
    run('ssh', ['-F', join(directory, 'ssh_config'), ...flags, 'bench', ...command])
  try {
    await waitFor(
      'sshd to answer',
      async () => await succeeds(ssh(coldFlags, ['true'])),
      patienceMs,
    )
  } catch (error) {
    throw new Error(`sshd let nobody in; it wrote:\n${log()}`, { cause: error })
  }
  await ssh(['-M', '-N', '-f'], [])
  opened.defer(async () => {
    await succeeds(ssh(['-O', 'exit'], []))
  })
  const life = opened.move()
  return {
    files,
    configPath: join(directory, 'ssh_config'),
    cold: async (command) => await ssh(coldFlags, command),
    warm: async (command) => await ssh([], command),
    copy: async (from, to) => {
      const [source, target] = [from, to].map((path) =>
        path.startsWith(':') ? `bench${path}` : path,
      )
      await run('scp', ['-q', '-F', join(directory, 'ssh_config'), source ?? '', target ?? ''])
    },
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

const coldFlags = ['-o', 'ControlPath=none'] as const

async function makeKeys(directory: string): Promise<void> {
  for (const name of ['host_key', 'user_key']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, name)])
  }
  await copyFile(join(directory, 'user_key.pub'), join(directory, 'authorized_keys'))
}

function sshdConfig(directory: string, port: number): string {
  return `Port ${port}
ListenAddress 127.0.0.1
HostKey ${directory}/host_key
AuthorizedKeysFile ${directory}/authorized_keys
PidFile none
UsePAM no
UseDNS no
StrictModes no
PasswordAuthentication no
PrintMotd no
MaxSessions 256
MaxStartups 256
Subsystem sftp ${existsSync(sftpServer) ? sftpServer : 'internal-sftp'}
`
}

async function sshConfig(directory: string, port: number, user: string): Promise<string> {
  const hostKey = await readFile(join(directory, 'host_key.pub'), 'utf8')
  await writeFile(join(directory, 'known_hosts'), `bench ${hostKey}`)
  return `Host bench bench-*
  HostName 127.0.0.1
  HostKeyAlias bench
  Port ${port}
  User ${user}
  IdentityFile ${directory}/user_key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${directory}/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 20
  ControlPath ${directory}/master
  LogLevel ERROR
`
}

/** @returns what gives the last that it wrote. */
async function startDaemon(
  directory: string,
  isRoot: boolean,
  opened: AsyncDisposableStack,
): Promise<() => string> {
  const daemon = [sshdPath, '-D', '-e', '-f', join(directory, 'sshd_config')]
  if (isRoot) {
    const line = `${testUser}:*:${testUserId}:${testUserId}::/tmp:/bin/sh\n`
    await writeFile(join(directory, 'passwd'), `${await readFile('/etc/passwd', 'utf8')}${line}`)
    // A private /run because sshd insists on its empty /run/sshd.
    const script = `mount --bind '${directory}/passwd' /etc/passwd
mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"`
    daemon.unshift('unshare', '--mount', 'sh', '-euc', script, 'sh')
  }
  const [program = '', ...words] = daemon
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-4096)
  })
  const exited = once(child, 'exit')
  opened.defer(async () => {
    child.kill()
    await exited
  })
  return () => log
}

async function run(program: string, words: readonly string[]): Promise<void> {
  // The master goes into the background and keeps what it inherits; so it must inherit no pipe that we wait for.
  await execa(program, [...words], { stdio: 'ignore', timeout: patienceMs })
}

async function succeeds(done: Promise<void>): Promise<boolean> {
  return await done.then(
    () => true,
    () => false,
  )
}
