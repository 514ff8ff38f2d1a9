/** Where a queue service tells what happened; pino's loggers fit. It never gets a token, a key or a signature. */
export interface QueueServiceLog {
  info: (fields: object, text: string) => void
  warn: (fields: object, text: string) => void
  error: (fields: object, text: string) => void
}

export const silentLog: QueueServiceLog = { info: () => {}, warn: () => {}, error: () => {} }
