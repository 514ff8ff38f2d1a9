import { setTimeout as sleep } from 'node:timers/promises'
import type { Program } from '../system/start-program.ts'

/** A program that is started again whenever it ends, as systemd does; and whose ends are told apart. */
export interface Supervised extends AsyncDisposable {
  pid: () => number
  /** Ends it with SIGKILL; resolves when it has been started again. `meanwhile` runs while it is down. */
  kill: (meanwhile?: () => Promise<void>) => Promise<void>
  /** What it wrote last, each time when it ended without being killed. */
  ownEnds: string[]
}

/** As `RestartSec` of a unit, in milliseconds. */
const restartMs = 300
/** So many failed starts in a row are no accident. */
const hopelessFailures = 20

export async function supervise(start: () => Promise<Program>): Promise<Supervised> {
  const ownEnds: string[] = []
  let isClosing = false
  let program = await start()
  let starting: Promise<void> = Promise.resolve()

  // Two faults may come for one program at once: both starting it would leave one of the two without a supervisor.
  const inTurn = async (work: () => Promise<void>): Promise<void> => {
    starting = starting.catch(() => undefined).then(work)
    await starting
  }
  const watch = async (watched: Program): Promise<void> => {
    const how = await watched.exited
    if (isClosing || watched !== program) return
    ownEnds.push(`${watched.name} ended by itself (${how}): ${watched.recentOutput().slice(-2000)}`)
    await inTurn(async () => {
      if (watched === program) await again()
    }).catch(() => undefined)
  }
  const again = async (): Promise<void> => {
    let failures = 0
    while (true) {
      await sleep(restartMs)
      if (isClosing) return
      try {
        program = await start()
        void watch(program)
        return
      } catch (error) {
        failures += 1
        ownEnds.push(String(error).slice(0, 2000))
        if (failures === hopelessFailures) throw error
      }
    }
  }
  void watch(program)

  return {
    pid: () => program.pid,
    ownEnds,
    kill: async (meanwhile) => {
      await inTurn(async () => {
        const victim = program
        program = { ...victim }
        await victim.stop('SIGKILL')
        await meanwhile?.()
        await again()
      })
    },
    [Symbol.asyncDispose]: async () => {
      isClosing = true
      await starting.catch(() => undefined)
      await program.stop()
    },
  }
}
