import { z } from 'zod'
import { type GateProxy, startGateProxy } from '../system/gate-proxy.ts'
import type { OpenQueueUnderTest } from '../system/queue-under-test.ts'
import { type Program, startProgram } from '../system/start-program.ts'

/** `sahara-queue gateway`, as a process of its own. */
export interface TestGateway extends AsyncDisposable {
  url: string
  notifyUrl: string
  /** Between the gateway and the queue service: what it has forwarded. */
  upstream: GateProxy
  kill: () => Promise<void>
  /** Again, on the same ports. */
  start: () => Promise<void>
}

const Listening = z.looseObject({ url: z.string(), notifyUrl: z.string() })

/** Starts a gateway before a queue service. */
export async function startGateway(
  queueUrl: string,
  { lookAgainSeconds = 60 }: { lookAgainSeconds?: number } = {},
): Promise<TestGateway> {
  await using opened = new AsyncDisposableStack()
  const upstream = opened.use(await startGateProxy(queueUrl))
  const start = async (port: string, notifyPort: string) => {
    const ports = ['--port', port, '--notify-port', notifyPort]
    const more = ['--look-again', String(lookAgainSeconds), '--json', '--log-level', 'info']
    const flags = ['gateway', '--upstream', upstream.url, ...ports, ...more]
    const started = startProgram('queue/main.ts', flags)
    const line = await started.line((text) => text.includes('"listening"'))
    return { started, ...Listening.parse(JSON.parse(line)) }
  }
  const first = await start('0', '0')
  const { url, notifyUrl } = first
  let program: Program = first.started
  opened.defer(async () => await program.stop())
  const life = opened.move()
  return {
    url,
    notifyUrl,
    upstream,
    kill: async () => await program.stop('SIGKILL'),
    start: async () => {
      const again = await start(new URL(url).port, new URL(notifyUrl).port)
      program = again.started
    },
    [Symbol.asyncDispose]: async () => await life.disposeAsync(),
  }
}

/** The same queue service, with a gateway in the controller's configuration. */
export function withGateway(
  openQueue: OpenQueueUnderTest,
  gateway: () => Pick<TestGateway, 'url' | 'notifyUrl'>,
): OpenQueueUnderTest {
  return async (directory) => {
    const queue = await openQueue(directory)
    const { url, notifyUrl } = gateway()
    const settings = { ...queue.settings, gateway: { url, notifyUrls: [notifyUrl] } }
    return { ...queue, settings }
  }
}
