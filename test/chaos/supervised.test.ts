import { expect, test } from 'vitest'
import type { Program } from '../system/start-program.ts'
import { supervise } from './supervised.ts'

test('two faults that come at once leave one program, and it is the one under supervision', async () => {
  const alive = new Set<number>()
  let started = 0
  await using supervised = await supervise(async () => {
    started += 1
    return stoppable(started, alive)
  })
  await Promise.all([supervised.kill(), supervised.kill(), supervised.kill()])
  expect(started).toBe(4)
  expect([...alive]).toEqual([supervised.pid()])
  expect(supervised.ownEnds).toEqual([])
})

/** A program that lives until it is stopped. */
function stoppable(pid: number, alive: Set<number>): Program {
  const ended = Promise.withResolvers<NodeJS.Signals>()
  alive.add(pid)
  const stop = async (): Promise<void> => {
    alive.delete(pid)
    ended.resolve('SIGKILL')
  }
  return {
    name: 'program',
    pid,
    exited: ended.promise,
    stop,
    recentOutput: () => '',
    line: async () => '',
    [Symbol.asyncDispose]: stop,
  }
}
