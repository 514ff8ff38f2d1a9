import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { findFreePorts } from '../../zaqar/free-ports.ts'
import { createService } from '../../zaqar/service.ts'

/** A RabbitMQ of our own on loopback, set up as MCollective's connector wants it. */
export interface RabbitMq extends AsyncDisposable {
  stompPort: number
  user: string
  password: string
  vhost: string
}

// Not the program on the path: that one becomes another user, who may not write here.
export const rabbitMqServer = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const user = 'mcollective'
const vhost = '/mcollective'

/** @throws {Error} it did not start; the end of its log is quoted. */
export async function startRabbitMq(parent: string): Promise<RabbitMq> {
  await using opened = new AsyncDisposableStack()
  const directory = join(parent, 'rabbitmq')
  await mkdir(directory)
  const [stompPort = 0, mapperPort = 0, distributionPort = 0] = await findFreePorts(3)
  const password = randomBytes(16).toString('hex')
  await writeConfiguration(directory, stompPort, password)

  // In the foreground: the one that RabbitMQ starts by itself would outlive it.
  const mapper = createService({
    name: 'epmd',
    command: ['epmd', '-port', String(mapperPort), '-address', '127.0.0.1'],
    logPath: join(directory, 'epmd.log'),
    isReady: async () => await accepts(mapperPort),
  })
  opened.defer(async () => await mapper.stop())
  await mapper.start()
  const server = createService({
    name: 'rabbitmq',
    command: [rabbitMqServer],
    environment: environment(directory, mapperPort, distributionPort),
    logPath: join(directory, 'server.log'),
    isReady: async () => await accepts(stompPort),
  })
  opened.defer(async () => await server.stop('SIGKILL'))
  await server.start()

  const life = opened.move()
  return {
    stompPort,
    user,
    password,
    vhost,
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

function environment(
  directory: string,
  mapperPort: number,
  distributionPort: number,
): Record<string, string> {
  return {
    HOME: directory,
    RABBITMQ_NODENAME: `bench${mapperPort}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
  }
}

async function writeConfiguration(
  directory: string,
  stompPort: number,
  password: string,
): Promise<void> {
  const definitionsPath = join(directory, 'definitions.json')
  const configuration = `listeners.tcp = none
stomp.listeners.tcp.1 = 127.0.0.1:${stompPort}
load_definitions = ${definitionsPath}
`
  await writeFile(join(directory, 'enabled_plugins'), '[rabbitmq_stomp].\n')
  await writeFile(join(directory, 'rabbitmq.conf'), configuration)
  await writeFile(definitionsPath, JSON.stringify(definitions(password)), { mode: 0o600 })
}

/** The exchanges that MCollective's connector takes for given. */
function definitions(password: string): object {
  const exchange = { vhost, durable: true, auto_delete: false, internal: false, arguments: {} }
  return {
    users: [
      {
        name: user,
        password_hash: hashPassword(password),
        hashing_algorithm: 'rabbit_password_hashing_sha256',
        tags: '',
      },
    ],
    vhosts: [{ name: vhost }],
    permissions: [{ user, vhost, configure: '.*', write: '.*', read: '.*' }],
    exchanges: [
      { ...exchange, name: 'mcollective_broadcast', type: 'topic' },
      { ...exchange, name: 'mcollective_directed', type: 'direct' },
    ],
  }
}

/** @see RabbitMQ, rabbit_password:hash/2 and rabbit_password_hashing_sha256: four random bytes, then their hash with the password's. */
function hashPassword(password: string): string {
  const salt = randomBytes(4)
  const hash = createHash('sha256').update(salt).update(password).digest()
  return Buffer.concat([salt, hash]).toString('base64')
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } finally {
    socket.destroy()
  }
}
