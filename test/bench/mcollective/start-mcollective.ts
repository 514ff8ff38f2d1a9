import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { waitFor } from '../../system/wait-for.ts'
import { createService, debianEnvironment } from '../../zaqar/service.ts'
import { type RabbitMq, rabbitMqServer, startRabbitMq } from './start-rabbitmq.ts'

/** MCollective over RabbitMQ on loopback: a daemon for each instance, and two ways to ask them. */
export interface MCollective extends AsyncDisposable {
  /** `true` on the first `count` instances at once, by a client that keeps its connection. @throws when one fails. */
  warm: (count: number) => Promise<void>
  /** `true` on the first instance by a new `mco rpc`. */
  cold: () => Promise<void>
}

const packages = [
  ['mcollective', '/usr/sbin/mcollectived'],
  ['mcollective-client', '/usr/bin/mco'],
  ['rabbitmq-server', rabbitMqServer],
] as const
const startPatienceMs = 180_000
const command = '/bin/true'

/** What is missing for it on this machine; undefined when it can start. */
export function whyNoMCollective(): string | undefined {
  const missing = packages.filter(([, program]) => !existsSync(program)).map(([name]) => name)
  return missing.length === 0 ? undefined : `apt-get install ${missing.join(' ')}`
}

/** Starts the broker, `count` daemons and a client, and waits until all daemons answer. */
export async function startMCollective(parent: string, count: number): Promise<MCollective> {
  await using opened = new AsyncDisposableStack()
  const directory = join(parent, 'mcollective')
  await mkdir(directory)
  const broker = opened.use(await startRabbitMq(directory))
  const secret = randomBytes(16).toString('hex')
  const identities = Array.from({ length: count }, (_, index) => `worker-${index + 1}`)
  await writeFile(join(directory, 'facts.yaml'), '{}\n')
  for (const identity of identities) {
    const path = join(directory, `${identity}.cfg`)
    await writeFile(path, configuration(directory, identity, broker, secret), { mode: 0o600 })
    const daemon = createService({
      name: identity,
      command: ['/usr/sbin/mcollectived', '--no-daemonize', '--config', path],
      logPath: join(directory, `${identity}.out`),
      // It says so nowhere; below, all of them are asked.
      isReady: async () => true,
    })
    opened.defer(async () => await daemon.stop('SIGKILL'))
    await daemon.start()
  }
  const clientPath = join(directory, 'client.cfg')
  await writeFile(clientPath, configuration(directory, 'client', broker, secret), { mode: 0o600 })
  const ask = opened.use(await startClient(clientPath))
  const warm = async (some: number) => {
    const answer = await ask.line(identities.slice(0, some).join(','))
    if (answer !== `succeeded ${some}`) throw new Error(`of ${some} daemons: ${answer}`)
  }
  const allAnswer = async () =>
    await warm(count).then(
      () => true,
      () => false,
    )
  await waitFor('all MCollective daemons to answer', allAnswer, startPatienceMs)
  const life = opened.move()
  return {
    warm,
    cold: async () => {
      const words = ['rpc', 'bench', 'run', `command=${command}`, '-I', 'worker-1']
      await execa('/usr/bin/mco', [...words, '--config', clientPath], coldOptions)
    },
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

// It would take an open standard input for a list of instances.
const coldOptions = { env: debianEnvironment, stdin: 'ignore', timeout: 60_000 } as const

function configuration(
  directory: string,
  identity: string,
  { stompPort, user, password, vhost }: RabbitMq,
  secret: string,
): string {
  const plugins = fileURLToPath(new URL('plugins', import.meta.url))
  const host = 'plugin.rabbitmq.pool.1'
  return `identity = ${identity}
main_collective = mcollective
collectives = mcollective
libdir = ${plugins}
logger_type = file
logfile = ${directory}/${identity}.log
loglevel = warn
daemonize = 0
direct_addressing = 1
registerinterval = 0
factsource = yaml
plugin.yaml = ${directory}/facts.yaml
securityprovider = psk
plugin.psk = ${secret}
connector = rabbitmq
plugin.rabbitmq.vhost = ${vhost}
plugin.rabbitmq.pool.size = 1
${host}.host = 127.0.0.1
${host}.port = ${stompPort}
${host}.user = ${user}
${host}.password = ${password}
`
}

async function startClient(configurationPath: string) {
  const script = fileURLToPath(new URL('client.rb', import.meta.url))
  const child = spawn('/usr/bin/ruby', [script, configurationPath, command], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: debianEnvironment,
  })
  const exited = once(child, 'exit')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('the MCollective client has ended')
    return value
  }
  await next()
  return {
    line: async (text: string) => {
      child.stdin.write(`${text}\n`)
      return await next()
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
