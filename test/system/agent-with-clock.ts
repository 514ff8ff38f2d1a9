import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * `sahara-agent`, but with a wall clock that is wrong by what the file `clock` beside its configuration (the last
 * argument) says, in milliseconds. SIGUSR2 has it read that file again: the clock jumps. Timers are right, as in a guest.
 */
const clock = join(dirname(process.argv.at(-1) ?? ''), 'clock')
const readClock = (): number => (existsSync(clock) ? Number(readFileSync(clock, 'utf8')) : 0)
let wrongByMs = readClock()
process.on('SIGUSR2', () => {
  wrongByMs = readClock()
})
const RightDate = Date
const wrongNow = (): number => RightDate.now() + wrongByMs
globalThis.Date = new Proxy(RightDate, {
  construct: (target, given, newTarget) =>
    given.length === 0 ? new target(wrongNow()) : Reflect.construct(target, given, newTarget),
  get: (target, key) => (key === 'now' ? wrongNow : Reflect.get(target, key)),
})
await import('../../agent/main.ts')
