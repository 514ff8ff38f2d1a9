import { pino } from 'pino'

/**
 * Where the agent tells what it does. Never given: argv, environment, standard input, content, keys, signatures.
 * Commands are named by their id.
 */
export interface Log {
  debug: (fields: object, message: string) => void
  info: (fields: object, message: string) => void
  warn: (fields: object, message: string) => void
  error: (fields: object, message: string) => void
}

/**
 * A log of JSON lines on standard error. What is logged with `onConsole: true` also goes to standard output as a plain
 * sentence, which the unit brings to the guest's console: there, nobody can read the journal.
 */
export function createLog(level: string): Log {
  const log = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => {
      log.warn(fields, message)
      if ('onConsole' in fields) process.stdout.write(`sahara-agent: ${message}\n`)
    },
    error: (fields, message) => log.error(fields, message),
  }
}

/** What of an error goes into a log line: its stable code, if it has one, and its message. */
export function describeError(error: unknown): { code?: string; error: string } {
  if (!(error instanceof Error)) return { error: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { ...(code === undefined ? {} : { code }), error: error.message }
}
