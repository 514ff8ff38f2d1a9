import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { pythonPath } from './install-driver.ts'

/** What Sahara's engine would be told to do: all calls at once, each in a green thread of its own. */
export interface EngineJob {
  /** Options of the driver, as in sahara.conf. */
  settings: Readonly<Record<string, unknown>>
  /** The login user. */
  user: string
  calls: readonly { cluster: string; uuid: string; command: string }[]
}

const CallEnd = z.strictObject({
  call: z.int(),
  code: z.exactOptional(z.int()),
  stdout: z.exactOptional(z.string()),
  error: z.exactOptional(z.string()),
  message: z.exactOptional(z.string()),
})
/** How one call ended: what it returned, or what it raised. */
export type CallEnd = z.output<typeof CallEnd>

/** A process with Sahara, eventlet and the driver in it. */
export interface Engine extends AsyncDisposable {
  /** All ends in the order in which they came, once the process has ended by itself or was killed. */
  ends: Promise<CallEnd[]>
  kill: () => Promise<void>
}

const pythonDirectory = fileURLToPath(new URL('python', import.meta.url))

/** @param driver what `installDriver` gave. */
export function startEngine(driver: string, job: EngineJob): Engine {
  const child = spawn(pythonPath, [join(pythonDirectory, 'drive_instances.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...process.env,
      PYTHONPATH: [driver, pythonDirectory].join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONWARNINGS: 'ignore',
    },
  })
  const exited = once(child, 'exit')
  const ends = readEnds(createInterface({ input: child.stdout }))
  child.stdin.end(`${JSON.stringify(job)}\n`)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  return { ends, kill, [Symbol.asyncDispose]: kill }
}

async function readEnds(lines: AsyncIterable<string>): Promise<CallEnd[]> {
  const ends: CallEnd[] = []
  for await (const line of lines) ends.push(CallEnd.parse(JSON.parse(line)))
  return ends
}
