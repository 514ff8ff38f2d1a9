import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { fakeWorld } from '../test/fake-world.ts'
import { feedWatchdog, watchdogLimitMs } from './feed-watchdog.ts'

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const has = (program: string) => spawnSync(program, ['--version']).error === undefined

describe('systemd’s watchdog', () => {
  test.for([
    [{}, undefined],
    [{ NOTIFY_SOCKET: '/s' }, undefined],
    [{ WATCHDOG_USEC: '180000000' }, undefined],
    [{ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '180000000' }, 180_000],
    [{ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '180000000', WATCHDOG_PID: '7' }, 180_000],
    [{ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '180000000', WATCHDOG_PID: '8' }, undefined],
    [{ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: 'soon' }, undefined],
    [{ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '0' }, undefined],
  ] as const)('with %j waits for %j ms', ([env, limitMs]) => {
    expect(watchdogLimitMs(env, 7)).toBe(limitMs)
  })

  test.skipIf(!has('systemd-notify') || !has('python3'))(
    'is told three times in its time that the agent lives',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'sahara-watchdog-'))
      const path = join(directory, 'notify')
      // Node has no such socket.
      const program = `import socket,sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("ready", flush=True)
while True: print(s.recv(100).decode().strip(), flush=True)`
      const systemd = spawn('python3', ['-c', program, path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const heard = createInterface(systemd.stdout)[Symbol.asyncIterator]()
      const world = fakeWorld()
      const stop = new AbortController()
      try {
        expect((await heard.next()).value).toBe('ready')
        const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '180000000' }
        const feeding = feedWatchdog(env, { world, log: silent }, stop.signal)
        for (let count = 0; count < 3; count += 1) {
          expect((await heard.next()).value).toBe('WATCHDOG=1')
          await world.untilSleeping()
          await world.advance(60_000)
        }
        stop.abort()
        await feeding
      } finally {
        systemd.kill()
        await once(systemd, 'close')
        rmSync(directory, { recursive: true })
      }
    },
  )
})
