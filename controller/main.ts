#!/usr/bin/env node
import { realWorld } from '../protocol/real-world.ts'
import { runProgram } from './cli/program.ts'

// Whoever writes hears of a broken pipe by its own callback; without a listener it would end the process here.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

process.exitCode = await runProgram(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  isRoot: process.getuid?.() === 0,
  onInterrupt: (listener) => listen(['SIGINT'], listener),
  onStop: (listener) => listen(['SIGTERM', 'SIGINT'], listener),
  world: realWorld(),
})

function listen(signals: readonly NodeJS.Signals[], listener: () => void): Disposable {
  for (const signal of signals) process.on(signal, listener)
  return {
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, listener)
    },
  }
}
