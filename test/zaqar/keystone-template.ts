import { execFile, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'

import { createKeystone, writeKeystoneConfiguration } from './create-keystone.ts'
import { findFreePorts } from './free-ports.ts'
import { KeystoneAccounts, populateKeystone } from './populate-keystone.ts'
import { debianEnvironment } from './service.ts'

// Making a Keystone takes ten seconds, copying one a few milliseconds. So it is made once per machine, user and
// version, without ports: those are written into each copy.

const run = promisify(execFile)
const accountsFile = 'accounts.json'
const keyParts = ['fernet', 'receipts', 'credential']
const templateParts = ['keystone.db', ...keyParts]
// Changed with anything that decides what a template holds.
const recipe = ['keystone-template.ts', 'populate-keystone.ts', 'create-keystone.ts']

/** Puts a bootstrapped Keystone's database and keys into `directory`, and says who exists in it. */
export async function copyKeystone(directory: string): Promise<KeystoneAccounts> {
  const template = await findTemplate()
  for (const part of templateParts) {
    await cp(join(template, part), join(directory, part), { recursive: true })
  }
  return KeystoneAccounts.parse(JSON.parse(await readFile(join(template, accountsFile), 'utf8')))
}

/** Writes where the services of this start listen into a copied database, before Keystone reads it. */
export function setCatalogue(directory: string, urlByType: Readonly<Record<string, string>>): void {
  const database = new DatabaseSync(join(directory, 'keystone.db'))
  const update = database.prepare(
    'UPDATE endpoint SET url = ? WHERE service_id IN (SELECT id FROM service WHERE type = ?)',
  )
  for (const [type, url] of Object.entries(urlByType)) update.run(url, type)
  database.close()
}

async function findTemplate(): Promise<string> {
  const cache = await openCache()
  const template = join(cache, `keystone-${await templateKey()}`)
  if (await exists(template)) return template
  // Test files start together: one makes the template, the others wait for it here.
  await using _lock = await lock(join(cache, 'lock'))
  if (await exists(template)) return template
  await removeOldTemplates(cache)
  await makeTemplate(cache, template)
  return template
}

/** Keeps the cache small; a week, so that no other checkout loses the template it is copying. */
async function removeOldTemplates(cache: string): Promise<void> {
  const weekAgo = Date.now() - 7 * 24 * 3_600_000
  for (const name of await readdir(cache)) {
    const path = join(cache, name)
    const { mtimeMs } = await lstat(path)
    if (mtimeMs < weekAgo && /^(keystone|making)-/.test(name)) await rm(path, { recursive: true })
  }
}

/** A directory that only we can write: what others could put there would be served as our Keystone. */
async function openCache(): Promise<string> {
  const { uid } = userInfo()
  const cache = join(tmpdir(), `sahara-agent-tests-${uid}`)
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const status = await lstat(cache)
  if (!status.isDirectory() || status.uid !== uid || (status.mode & 0o077) !== 0) {
    throw new Error(`${cache} is not a private directory of this user; remove it`)
  }
  return cache
}

async function templateKey(): Promise<string> {
  const hash = createHash('sha256')
  const packages = ['keystone', 'python3-keystone']
  hash.update((await run('dpkg-query', ['--show', ...packages])).stdout)
  for (const file of recipe) hash.update(await readFile(join(import.meta.dirname, file)))
  return hash.digest('hex').slice(0, 16)
}

/** Waits for a lock which the kernel takes back when its holder dies. */
async function lock(path: string): Promise<AsyncDisposable> {
  const holder = spawn('/usr/bin/flock', [path, 'sh', '-c', 'echo held; read -r _'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(holder, 'exit')
  await Promise.race([
    once(holder.stdout, 'data'),
    exited.then(() => Promise.reject(new Error(`cannot lock ${path}`))),
  ])
  return {
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end()
      await exited
    },
  }
}

async function makeTemplate(cache: string, template: string): Promise<void> {
  const directory = await mkdtemp(join(cache, 'making-'))
  try {
    const accounts = await bootstrap(directory)
    await writeFile(join(directory, accountsFile), JSON.stringify(accounts), { mode: 0o600 })
    // In one step, so that a template is whole or not there.
    await rename(directory, template)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function bootstrap(directory: string): Promise<KeystoneAccounts> {
  const adminPassword = randomBytes(18).toString('base64url')
  await createDatabase(directory, adminPassword)
  const [port = 0] = await findFreePorts(1)
  const keystone = createKeystone(directory, port)
  await keystone.start()
  try {
    return await populateKeystone(`http://127.0.0.1:${port}/v3`, adminPassword)
  } finally {
    await keystone.stop()
    journalDatabase(directory)
  }
}

async function createDatabase(directory: string, adminPassword: string): Promise<void> {
  const configuration = writeKeystoneConfiguration(directory, 3600)
  const manage = (...args: string[]) =>
    run('/usr/bin/keystone-manage', ['--config-file', configuration, ...args], {
      env: { ...debianEnvironment, OS_BOOTSTRAP_PASSWORD: adminPassword },
      timeout: 60_000,
    })
  const { uid, gid } = userInfo()
  const owner = ['--keystone-user', `${uid}`, '--keystone-group', `${gid}`]
  for (const part of keyParts) await mkdir(join(directory, part), { mode: 0o700 })
  await manage('db_sync')
  journalDatabase(directory)
  await manage('fernet_setup', ...owner)
  await manage('credential_setup', ...owner)
  // The password is in the environment, not here: everybody can read a process list.
  const names = { username: 'admin', 'project-name': 'admin', 'role-name': 'admin' }
  const entry = { 'service-name': 'keystone', 'region-id': 'RegionOne' }
  const urls = { 'public-url': 'http://127.0.0.1:1/v3', 'internal-url': 'http://127.0.0.1:1/v3' }
  const options = Object.entries({ ...names, ...entry, ...urls })
  await manage('bootstrap', ...options.flatMap(([name, value]) => [`--bootstrap-${name}`, value]))
}

/** Switches to write-ahead logging, without which Keystone locks itself out, and leaves one file to copy. */
function journalDatabase(directory: string): void {
  const database = new DatabaseSync(join(directory, 'keystone.db'))
  database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  )
}
