import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Auth } from '../../protocol/zaqar/authorize.ts'
import { startProgram } from './start-program.ts'

/** The queue service of a whole installation. */
export interface SystemQueue extends AsyncDisposable {
  /** As a person would call it. */
  title: string
  url: string
  /** The `queue` of the controller's configuration. */
  settings: Readonly<Record<string, unknown>>
  /** What the controller's process needs in its environment. */
  environment: Readonly<Record<string, string>>
  /** The right of whoever administers it. */
  keeper: { projectId: string; auth: Auth }
  /** All that it stores, as text: bytes that are no text are there as well. */
  readStored: () => Promise<string>
}

export type OpenSystemQueue = (directory: string) => Promise<SystemQueue>

const Listening = z.looseObject({ event: z.literal('listening'), url: z.string() })

/** `sahara-queue serve`, as a process of its own. */
export async function openOwnQueue(
  directory: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<SystemQueue> {
  const database = join(directory, 'queue.db')
  const tokenFile = `${database}.token`
  const flags = ['serve', '--port', '0', '--database', database, '--json']
  const program = startProgram('queue/main.ts', flags, environment)
  const line = await program.line((text) => text.includes('"listening"'))
  const { url } = Listening.parse(JSON.parse(line))
  const token = (await readFile(tokenFile, 'utf8')).trim()
  return {
    title: 'the embedded queue',
    url,
    settings: { url, tokenFile },
    environment: {},
    keeper: { projectId: 'sahara', auth: { kind: 'token', getToken: async () => token } },
    readStored: async () => {
      const files = ['', '-wal'].map(
        async (suffix) => await readFile(`${database}${suffix}`, 'latin1'),
      )
      return (await Promise.all(files)).join('')
    },
    [Symbol.asyncDispose]: async () => await program.stop(),
  }
}
