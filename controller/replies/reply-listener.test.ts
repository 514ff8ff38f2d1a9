import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UnauthorizedError } from '../../protocol/zaqar/errors.ts'
import type { ZaqarSocket } from '../../protocol/zaqar/zaqar-socket.ts'
import { type FakeWorld, fakeWorld } from '../../test/fake-world.ts'
import { RefusedTokenError, type ReplyListener, startReplyListener } from './reply-listener.ts'

/** A socket whose other end the test is. */
interface FakeSocket extends ZaqarSocket {
  subscribed: string[]
  announce: (queue: string) => void
  close: (code: number) => void
  isClosed: boolean
  pings: number
  fail: Error | undefined
}

let world: FakeWorld
let sockets: FakeSocket[]
let refusedTokens: (string | undefined)[]
let woken: string[]
let opening: () => Error | undefined
let listener: ReplyListener

beforeEach(() => {
  world = fakeWorld()
  sockets = []
  refusedTokens = []
  woken = []
  opening = () => undefined
  listener = startReplyListener(
    {
      open: async (onAnnounced, refusedToken) => {
        refusedTokens.push(refusedToken)
        const failure = opening()
        if (failure) throw failure
        const socket = aSocket(onAnnounced)
        sockets.push(socket)
        return { socket, token: `t${sockets.length}` }
      },
      wake: (queue) => woken.push(queue),
    },
    world,
    pino({ level: 'silent' }),
  )
})
afterEach(async () => await listener[Symbol.asyncDispose]())

function aSocket(announce: (queue: string) => void): FakeSocket {
  const closed = Promise.withResolvers<{ code: number; authenticationEnded: boolean }>()
  const socket: FakeSocket = {
    subscribed: [],
    announce,
    isClosed: false,
    pings: 0,
    fail: undefined,
    subscribe: async (queue) => {
      if (socket.fail) throw socket.fail
      socket.subscribed.push(queue)
    },
    ping: async () => {
      socket.pings += 1
      if (socket.fail) throw socket.fail
    },
    close: (code) => {
      socket.isClosed = true
      closed.resolve({ code, authenticationEnded: code === 4003 })
    },
    closed: closed.promise,
    [Symbol.asyncDispose]: async () => socket.close(1000),
  }
  return socket
}

const settled = async () => await world.advance(0)

describe('a reply listener', () => {
  test('wakes a queue when it is subscribed, for what came before, and at each announcement', async () => {
    listener.watch('q1')
    await settled()
    expect(sockets[0]?.subscribed).toEqual(['q1'])
    expect(listener.isAnnounced('q1')).toBe(true)
    sockets[0]?.announce('q1')
    expect(woken).toEqual(['q1', 'q1'])
  })

  test('subscribes to a queue that comes later on the same socket', async () => {
    listener.watch('q1')
    await settled()
    listener.watch('q2')
    await settled()
    expect(sockets).toHaveLength(1)
    expect(sockets[0]?.subscribed).toEqual(['q1', 'q2'])
  })

  test('wakes everything when the socket ends, and begins anew by itself', async () => {
    listener.watch('q1')
    await settled()
    sockets[0]?.close(1006)
    await settled()
    expect(listener.isAnnounced('q1')).toBe(false)
    expect(woken).toEqual(['q1', 'q1'])
    await world.advance(500)
    expect(sockets[1]?.subscribed).toEqual(['q1'])
    expect(refusedTokens).toEqual([undefined, undefined])
  })

  test.for([
    ['whose time was over', async () => sockets[0]?.close(4003), 't1'],
    [
      'that was refused',
      async () => {
        opening = () => {
          opening = () => undefined
          return new RefusedTokenError('old', new UnauthorizedError('authenticate', 'status 401'))
        }
        sockets[0]?.close(1006)
        await world.advance(500)
      },
      'old',
    ],
  ] as const)('takes another token after one %s', async ([, happen, refused]) => {
    await settled()
    await happen()
    await world.advance(2000)
    expect(refusedTokens.at(-1)).toBe(refused)
  })

  test('notices a connection that is dead, and opens another', async () => {
    listener.watch('q1')
    await settled()
    if (sockets[0]) sockets[0].fail = new Error('no answer')
    await world.advance(31_000)
    expect(sockets[0]?.isClosed).toBe(true)
    expect(sockets[1]?.subscribed).toEqual(['q1'])
  })

  test('subscribes anew before subscriptions end by themselves', async () => {
    listener.watch('q1')
    await settled()
    await world.advance(1_801_000)
    expect(sockets.length).toBeGreaterThan(1)
    expect(sockets.at(-1)?.subscribed).toEqual(['q1'])
  })

  test('backs off up to a minute while it cannot connect', async () => {
    opening = () => new Error('refused')
    await world.advance(3_600_000)
    // Half of the cap on average.
    expect(refusedTokens.length).toBeGreaterThan(60)
    expect(refusedTokens.length).toBeLessThan(240)
  })

  test('no longer announces what nobody watches', async () => {
    listener.watch('q1')
    await settled()
    listener.unwatch('q1')
    expect(listener.isAnnounced('q1')).toBe(false)
    sockets[0]?.close(1006)
    await world.advance(500)
    expect(sockets[1]?.subscribed).toEqual([])
  })

  test('closes its socket when it is stopped', async () => {
    await settled()
    await listener[Symbol.asyncDispose]()
    expect(sockets[0]?.isClosed).toBe(true)
  })
})
