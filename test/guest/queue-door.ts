import { connect, createServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'

/**
 * The only thing that a container can reach: `node queue-door.ts --address A --port P --socket PATH`, run in the network
 * namespace at the other end of the container's cable. What comes to A:P goes on to a Unix socket, which knows no
 * namespace.
 */
const { values } = parseArgs({
  options: {
    address: { type: 'string', default: '' },
    port: { type: 'string', default: '' },
    socket: { type: 'string', default: '' },
  },
})

const server = createServer((guest) => {
  const queue = connect(values.socket)
  join(guest, queue)
  join(queue, guest)
})
server.listen(Number(values.port), values.address, () => process.stdout.write('listening\n'))

function join(from: Socket, to: Socket): void {
  from.pipe(to)
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}
