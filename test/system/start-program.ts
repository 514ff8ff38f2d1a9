import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One of our programs, running as a process of its own. */
export interface Program {
  name: string
  pid: number
  /** The last lines it wrote on both streams, for the message of a failed wait. */
  recentOutput: () => string
  /** Resolves with the first line of standard output that `matches`. */
  line: (matches: (line: string) => boolean) => Promise<string>
  /** Sends a signal and waits for the end. */
  stop: (signal?: NodeJS.Signals) => Promise<void>
  exited: Promise<number | NodeJS.Signals>
  [Symbol.asyncDispose]: () => Promise<void>
}

/** How long a program may take to say its ready line, or to end after SIGTERM. Generous: CI machines are slow. */
const patienceMs = 30_000
const keptOutputCharacters = 16_384

/** Starts `node FILE ARGUMENTS` from the project's root; an absolute FILE is a program by itself. */
export function startProgram(
  file: string,
  programArguments: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Program {
  const program = isAbsolute(file)
    ? [file]
    : [process.execPath, fileURLToPath(new URL(`../../${file}`, import.meta.url))]
  const [command = '', ...words] = [...program, ...programArguments]
  const child = spawn(command, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  const name = [file, ...programArguments.slice(0, 1)].join(' ')
  let kept = ''
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const exited = once(child, 'exit').then(([code, signal]) => {
    for (const wake of waiting) wake()
    return code ?? signal
  })
  let partial = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (partial + text).split('\n')
    partial = parts.pop() ?? ''
    lines.push(...parts)
    for (const wake of waiting) wake()
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      kept = (kept + text).slice(-keptOutputCharacters)
    })
  }

  const line = async (matches: (line: string) => boolean): Promise<string> => {
    const signal = AbortSignal.timeout(patienceMs)
    while (true) {
      const found = lines.find(matches)
      if (found !== undefined) return found
      const ended = child.exitCode !== null || child.signalCode !== null
      if (ended || signal.aborted) {
        const why = ended
          ? `ended (${child.exitCode ?? child.signalCode})`
          : 'did not say so in time'
        throw new Error(`${name} ${why}; it wrote:\n${kept}`)
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    }
  }

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    const hurry = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    await exited
    clearTimeout(hurry)
  }

  return {
    name,
    pid: child.pid ?? -1,
    recentOutput: () => kept,
    line,
    stop,
    exited,
    [Symbol.asyncDispose]: async () => stop(),
  }
}
