import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { peakMemoryBytes } from '../system/memory.ts'
import { alternate, type Side } from './alternate.ts'
import type { Benchmark, BenchSettings } from './benchmark.ts'
import { type Installation, startInstallation } from './installation.ts'
import { addRows, emptyReport, type Report } from './report.ts'
import { openSshd } from './ssh-sides.ts'
import type { TestSshd } from './start-sshd.ts'

/** Files to an instance and back, beside `scp` over a connection that is open already; and much output. */
export const transfer: Benchmark = { name: 'transfer', measure }

const mebibyte = 1024 ** 2
const ours = 'sahara-agent'
/** The controller keeps what it moves for a while: this bounds the disk it takes. */
const maxRounds = 5
/** Below this, what V8 has not compiled yet is a good part of the first rounds. */
const smallMebibytes = 16
const smallWarmUps = 10
/** By which the rate is guessed, so that the whole ends before the command's time does. */
const triedOutputMebibytes = 16
const outputSeconds = 60

async function measure(settings: BenchSettings): Promise<Report> {
  const report = emptyReport('transfer')
  await using opened = new AsyncDisposableStack()
  const installation = opened.use(await startInstallation(settings.directory, 1))
  const sshd = await openSshd(report, 'scp', opened)
  const budgetMs = settings.budgetMs / (2 * settings.mebibytes.length)
  for (const size of settings.mebibytes) {
    const source = join(settings.directory, `source-${size}`)
    await writeRandom(source, size)
    for (const [what, sides] of [
      [`${size} MiB to the instance`, sidesOfPut(installation, sshd, source, size)],
      [`${size} MiB from the instance`, sidesOfGet(installation, sshd, source, size)],
    ] as const) {
      const bounds = { budgetMs, maxRounds, warmUps: size > smallMebibytes ? 1 : smallWarmUps }
      const { samples, failed } = await alternate(sides, bounds, settings.world)
      addRows(report, what, 'MiB/s', asRates(samples, size))
      report.skipped.push(
        ...failed.map(({ side, reason }) => ({ side: `${side}: ${what}`, reason })),
      )
    }
  }
  // Files do not pass through the runner: its memory is that of the output.
  await addOutput(report, installation, settings.world)
  await addPeaks(report, installation)
  report.notes.push(
    'ours is sealed, journaled and checked by SHA-256 at the other end; files are written on both sides',
  )
  return report
}

function sidesOfPut(
  { api, run, guests }: Installation,
  sshd: TestSshd | undefined,
  source: string,
  size: number,
): Side[] {
  const target = join(guests[0]?.root ?? '', `put-${size}`)
  const put = async () => {
    const { value } = await api.storeContent(createReadStream(source))
    await run({ name: 'write', path: target }, { sha256: value.sha256 })
    return undefined
  }
  const copy = async () => {
    await sshd?.copy(source, `:${join(sshd.files, `put-${size}`)}`)
    return undefined
  }
  return [{ name: ours, run: put }, ...(sshd === undefined ? [] : [{ name: 'scp', run: copy }])]
}

function sidesOfGet(
  { api, runWhile }: Installation,
  sshd: TestSshd | undefined,
  source: string,
  size: number,
): Side[] {
  const target = `${source}-got`
  const get = async () => {
    const hash = createHash('sha256')
    const hashed = async function* (bytes: AsyncIterable<Uint8Array>) {
      for await (const chunk of bytes) {
        hash.update(chunk)
        yield chunk
      }
    }
    // As the command line does it: the file is written while it comes.
    const { result } = await runWhile({ name: 'read', path: source }, async (id) => {
      const bytes = Readable.from(api.outputBytes(id, 'content', { follow: true }), {
        objectMode: false,
      })
      await pipeline(bytes, hashed, createWriteStream(target))
    })
    if (hash.digest('hex') !== result?.streams.content?.sha256) throw new Error('the file differs')
    return undefined
  }
  const copy = async () => {
    // From where it was put: the user at the other end cannot read our own directory.
    await sshd?.copy(`:${join(sshd.files, `put-${size}`)}`, target)
    if ((await stat(target)).size !== size * mebibyte) throw new Error('the file differs')
    return undefined
  }
  return [{ name: ours, run: get }, ...(sshd === undefined ? [] : [{ name: 'scp', run: copy }])]
}

/** All that a command prints, until the controller has it: 1 GiB, or what this machine moves in the time. */
async function addOutput(
  report: Report,
  { run }: Installation,
  { monotonicMs }: BenchSettings['world'],
): Promise<void> {
  const print = async (size: number) => {
    const begunMs = monotonicMs()
    const bytes = size * mebibyte
    const argv = ['/usr/bin/head', '-c', String(bytes), '/dev/zero']
    const { result } = await run({ name: 'exec', argv })
    if (result?.outputBytes !== bytes) throw new Error('output is missing')
    return (size * 1000) / (monotonicMs() - begunMs)
  }
  const tried = await print(triedOutputMebibytes)
  const size = Math.max(triedOutputMebibytes, Math.min(1024, Math.floor(tried * outputSeconds)))
  const samples = new Map([[ours, [await print(size)]]])
  addRows(report, `${size} MiB of a command's output`, 'MiB/s', samples)
}

function asRates(
  timesOfSides: ReadonlyMap<string, readonly number[]>,
  size: number,
): Map<string, number[]> {
  const rates = (times: readonly number[]) => times.map((ms) => size / (ms / 1000))
  return new Map([...timesOfSides].map(([side, times]) => [side, rates(times)]))
}

async function writeRandom(path: string, mebibytes: number): Promise<void> {
  await using file = await open(path, 'w')
  for (let count = 0; count < mebibytes; count += 1) await file.writeFile(randomBytes(mebibyte))
}

async function addPeaks(report: Report, installation: Installation): Promise<void> {
  const { system, agents, guests, findProcess } = installation
  const pids = {
    controller: system.controller.pid,
    queue: await findProcess('--database', join(system.directory, 'queue.db')),
    agent: agents[0]?.pid ?? 0,
    runner: await findProcess('--state', guests[0]?.stateDirectory ?? '').catch(() => undefined),
  }
  for (const [name, pid] of Object.entries(pids)) {
    if (pid === undefined) report.skipped.push({ side: name, reason: 'it does not run' })
    else {
      const peak = (await peakMemoryBytes(pid)) / mebibyte
      addRows(report, `peak memory of the ${name}`, 'MiB', new Map([[ours, [peak]]]))
    }
  }
}
