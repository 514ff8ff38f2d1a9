import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { startProgram } from '../../system/start-program.ts'
import { missingZaqarPackages } from '../../zaqar/missing-packages.ts'
import { startZaqar } from '../../zaqar/start-zaqar.ts'
import type { Report } from '../report.ts'
import { findDescendants, processorMs } from './processor-ms.ts'

/** A queue service that is up, and what its operator sends along. */
export interface Service {
  name: string
  url: string
  headers: Readonly<Record<string, string>>
  /** After each answer, without saying so. */
  closesConnections: boolean
  /** Processor time that it has used so far, with all of its processes, in milliseconds. */
  processorMs: () => Promise<number>
}

export type EmbeddedService = Service & AsyncDisposable

const Listening = z.looseObject({ event: z.literal('listening'), url: z.string() })

/** `sahara-queue serve` in a process of its own; its database lies in this directory, which must exist. */
export async function startEmbedded(directory: string): Promise<EmbeddedService> {
  const database = join(directory, 'queue.db')
  const flags = ['serve', '--port', '0', '--database', database, '--json']
  const program = startProgram('queue/main.ts', flags)
  const { url } = Listening.parse(JSON.parse(await program.line((text) => text.startsWith('{'))))
  const token = (await readFile(`${database}.token`, 'utf8')).trim()
  return {
    name: 'embedded queue',
    url,
    headers: { 'X-Project-Id': 'bench', 'X-Auth-Token': token },
    closesConnections: false,
    processorMs: async () => await processorMs(program.pid),
    [Symbol.asyncDispose]: program[Symbol.asyncDispose],
  }
}

/** The real Zaqar on Redis; undefined, and noted in the report, where its packages are missing. */
export async function startRealZaqar(
  report: Report,
  opened: AsyncDisposableStack,
): Promise<Service | undefined> {
  const missing = missingZaqarPackages()
  if (missing.length > 0) {
    report.skipped.push({ side: 'Zaqar on Redis', reason: `apt-get install ${missing.join(' ')}` })
    return undefined
  }
  const zaqar = opened.use(await startZaqar({ keystone: false, websocket: false, workers: 2 }))
  const pids = await findDescendants(/^(uwsgi|redis)/)
  return {
    name: 'Zaqar on Redis',
    url: zaqar.endpoint,
    headers: { 'X-Project-Id': 'bench' },
    closesConnections: true,
    processorMs: async () => {
      const used = await Promise.all(pids.map(processorMs))
      return used.reduce((sum, ms) => sum + ms, 0)
    },
  }
}
