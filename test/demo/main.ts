#!/usr/bin/env node
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { endRunner } from '../system/end-runner.ts'
import { startSystem } from '../system/start-system.ts'
import { openOwnQueue } from '../system/system-queue.ts'
import { missingZaqarPackages } from '../zaqar/missing-packages.ts'
import { openZaqarQueue } from '../zaqar/zaqar-system-queue.ts'
import { hireQueueKeeper } from './queue-keeper.ts'
import { endEarly } from './scenes/end-early.ts'
import { enrolThree } from './scenes/enrol-three.ts'
import { forgeAndReplay } from './scenes/forge-and-replay.ts'
import { killAnAgent } from './scenes/kill-an-agent.ts'
import { lookIntoTheQueue } from './scenes/look-into-the-queue.ts'
import { moveAFile } from './scenes/move-a-file.ts'
import { runOnAll } from './scenes/run-on-all.ts'
import type { Show } from './show.ts'
import { createStage } from './stage.ts'

const { values: options } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    zaqar: { type: 'boolean', default: false },
  },
})

/** The main job, end to end, for a person to watch. Every line with a tick was checked. */
async function demonstrate(directory: string, stopped: Promise<never>): Promise<void> {
  const stage = createStage(
    (text) => process.stdout.write(text),
    () => performance.now(),
  )
  stage.say(`Everything lives in ${directory}; nothing else is touched.`)
  if (options.zaqar) {
    requirePackages(missingZaqarPackages())
    stage.say('Starting Redis, Keystone and Zaqar on loopback …')
  }
  await using system = await startSystem(
    directory,
    {},
    options.zaqar ? openZaqarQueue : openOwnQueue,
  )
  stage.say(`The queue service is ${system.queue.title}, at ${system.queue.url}.`)
  if (options.zaqar) stage.say('It holds no request open: agents poll, up to 15 s apart when idle.')
  await using queueKeeper = await hireQueueKeeper(system)
  const show: Show = { stage, system, guests: [], agents: new Map(), queueKeeper }
  try {
    for (const scene of [
      enrolThree,
      runOnAll,
      moveAFile,
      endEarly,
      killAnAgent,
      lookIntoTheQueue,
      forgeAndReplay,
    ]) {
      await Promise.race([scene(show), stopped])
    }
    stage.summary()
    if (options.keep) await stayOpen(show, stopped)
  } finally {
    await Promise.all([...show.agents.values()].map(async (agent) => agent.stop()))
    await Promise.all(show.guests.map(async (guest) => endRunner(guest.stateDirectory)))
  }
}

async function stayOpen({ stage, system }: Show, stopped: Promise<never>): Promise<void> {
  stage.say(`
It goes on running. In another terminal, in this directory:

   export SAHARA_CONTROLLER_SOCKET=${system.socketPath}
   npx sahara-controller run demo -- hostname
   npx sahara-controller run demo/worker-1 -- sh -c 'for i in 1 2 3; do date; sleep 1; done'
   npx sahara-controller command list
   npx sahara-controller --help

Ctrl-C ends it and removes ${system.directory}.`)
  await stopped
}

function requirePackages(missing: readonly string[]): void {
  if (missing.length === 0) return
  const install = `sudo apt-get install --no-install-recommends ${missing.join(' ')}`
  throw new Error(`A real Zaqar needs Debian packages that are missing here:\n\n   ${install}`)
}

class StoppedByPersonError extends Error {}

const directory = await mkdtemp(join(tmpdir(), 'sahara-agent-demo-'))
const stopped = new Promise<never>((_, reject) => {
  // Not once: a second signal (npm passes on what the terminal has sent already) must not cut the cleaning up short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => reject(new StoppedByPersonError(signal)))
  }
})
stopped.catch(() => {})
try {
  await demonstrate(directory, stopped)
} catch (error) {
  if (!(error instanceof StoppedByPersonError)) {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  } else if (!options.keep) {
    process.exitCode = 130
  }
} finally {
  await rm(directory, { recursive: true, force: true })
  process.stdout.write(`\nStopped everything and removed ${directory}.\n`)
}
