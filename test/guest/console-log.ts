import { appendFileSync } from 'node:fs'

/** What a guest writes on its console, with the moment at which each line came. */
export interface ConsoleLog {
  take: (text: string) => void
  /** Milliseconds since `startedAt` until the first line that matches, now or later. */
  until: (pattern: RegExp, patienceMs: number) => Promise<number>
  /** Milliseconds until the first line that matches, undefined if none came so far. */
  when: (pattern: RegExp) => number | undefined
  text: () => string
}

/** @param path where it is kept for people. */
export function keepConsole(path: string): ConsoleLog {
  const startedMs = performance.now()
  const lines: { text: string; atMs: number }[] = []
  let partial = ''
  const waiting = new Set<() => void>()
  const when = (pattern: RegExp) => lines.find(({ text }) => pattern.test(text))?.atMs
  return {
    take: (text) => {
      appendFileSync(path, text)
      const parts = (partial + text).split(/\r?\n/)
      partial = parts.pop() ?? ''
      const atMs = performance.now() - startedMs
      lines.push(...parts.map((line) => ({ text: line, atMs })))
      for (const look of waiting) look()
    },
    until: async (pattern, patienceMs) => {
      const signal = AbortSignal.timeout(patienceMs)
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      const look = () => {
        const atMs = when(pattern)
        if (atMs !== undefined) resolve(atMs)
      }
      waiting.add(look)
      signal.addEventListener('abort', () => {
        const recent = lines.slice(-20).map(({ text }) => text)
        reject(new Error(`no ${String(pattern)} on the console; its end:\n${recent.join('\n')}`))
      })
      look()
      try {
        return await promise
      } finally {
        waiting.delete(look)
      }
    },
    when,
    text: () => lines.map(({ text }) => text).join('\n'),
  }
}
