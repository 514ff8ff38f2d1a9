import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'

/** A network of one cable: a container at one end, and at the other one port, behind which is the queue service. */
export interface GuestNetwork {
  /** For `systemd-nspawn --network-namespace-path`. */
  guestNamespacePath: string
  /** What the guest is told to reach. */
  url: string
  /** The cable at the far end: `down` is a network that is not there. */
  setCable: (state: 'up' | 'down') => Promise<void>
  [Symbol.asyncDispose]: () => Promise<void>
}

const queueAddress = '10.99.0.1'
const guestAddress = '10.99.0.2'

/** Lays the cable. Both ends are namespaces of their own, so that no address meets another test's, or the host's. */
export async function layGuestNetwork(
  id: string,
  queueUrl: string,
  directory: string,
): Promise<GuestNetwork> {
  await using stack = new AsyncDisposableStack()
  const guest = `guest-${id}`
  const outside = `outside-${id}`
  for (const name of [guest, outside]) {
    await ip('netns', 'add', name)
    stack.defer(async () => ip('netns', 'delete', name))
    await ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  await ip(
    '-n',
    outside,
    'link',
    'add',
    'cable',
    'type',
    'veth',
    'peer',
    'name',
    'host0',
    'netns',
    guest,
  )
  await ip('-n', outside, 'address', 'add', `${queueAddress}/30`, 'dev', 'cable')
  await ip('-n', outside, 'link', 'set', 'cable', 'up')
  await ip('-n', guest, 'address', 'add', `${guestAddress}/30`, 'dev', 'host0')
  await ip('-n', guest, 'link', 'set', 'host0', 'up')

  const socket = join(directory, 'queue.sock')
  const bridge = createServer((from) => {
    const to = connect(Number(new URL(queueUrl).port), '127.0.0.1')
    from.pipe(to).pipe(from)
    from.on('error', () => to.destroy()).on('close', () => to.destroy())
    to.on('error', () => from.destroy()).on('close', () => from.destroy())
  })
  bridge.listen(socket)
  await once(bridge, 'listening')
  stack.defer(() => void bridge.close())

  const door = new URL('queue-door.ts', import.meta.url).pathname
  const flags = ['--address', queueAddress, '--port', '80', '--socket', socket]
  const running = execa('ip', ['netns', 'exec', outside, process.execPath, door, ...flags], {
    reject: false,
    stderr: 'inherit',
  })
  stack.defer(async () => {
    running.kill('SIGKILL')
    await running
  })
  await once(running.stdout, 'data')

  const rest = stack.move()
  return {
    guestNamespacePath: `/run/netns/${guest}`,
    url: `http://${queueAddress}`,
    setCable: async (state) => ip('-n', outside, 'link', 'set', 'cable', state),
    [Symbol.asyncDispose]: async () => rest.disposeAsync(),
  }
}

async function ip(...words: string[]): Promise<void> {
  await execa('ip', words)
}
