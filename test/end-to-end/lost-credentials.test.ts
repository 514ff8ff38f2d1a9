import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createServerClock } from '../../agent/clock/server-clock.ts'
import { createConnect } from '../../agent/connect.ts'
import { type EnrolParts, enrol } from '../../agent/enrol/enrol.ts'
import { openIdentity } from '../../agent/enrol/identity.ts'
import { createLookout } from '../../agent/network/lookout.ts'
import { Bootstrap } from '../../protocol/messages/enrolment.ts'
import { readNetwork } from '../../protocol/network/read-network.ts'
import { realWorld } from '../../protocol/real-world.ts'
import { readBootstrap } from '../controller/miniature-agent.ts'
import { startTestController } from '../controller/test-controller.ts'

vi.setConfig({ testTimeout: 60_000 })

const world = realWorld()
const log = pino({ level: 'silent' })
const instanceUuid = 'a1b2c3d4-0000-4000-8000-00000000000a'

/** A metadata service whose only entry is the challenge, while there is one. */
async function serveMetadata() {
  const meta: Record<string, string> = {}
  const server = createServer((_, response) => response.end(JSON.stringify({ meta })))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = z.object({ port: z.number() }).parse(server.address())
  const close = () => {
    server.close()
  }
  return { meta, url: `http://127.0.0.1:${port}`, close }
}

/** A controller whose user-data needs a challenge, and a guest with an empty state directory. */
async function createBench() {
  await using made = new AsyncDisposableStack()
  const { api } = made.use(await startTestController(world))
  const place = await mkdtemp(join(tmpdir(), 'sahara-lost-'))
  made.defer(async () => rm(place, { recursive: true, force: true }))
  const metadata = await serveMetadata()
  made.defer(metadata.close)
  await api.post('/v1/clusters', { name: 'c1' })
  const bootstrap = await readBootstrap(api, 'c1', undefined, { challenge: true })
  const { body } = await api.post('/v1/clusters/c1/challenges', { instanceUuid })
  const { key, challenge } = z.object({ key: z.string(), challenge: z.string() }).parse(body)
  const parts = made.move()
  return {
    place,
    metadata,
    bootstrap,
    key,
    challenge,
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  }
}

async function introducedAs({
  place,
  bootstrap,
  metadata,
}: Awaited<ReturnType<typeof createBench>>): Promise<EnrolParts> {
  const bootstrapPath = join(place, 'bootstrap.json')
  await writeFile(bootstrapPath, JSON.stringify(z.encode(Bootstrap, bootstrap)), { mode: 0o600 })
  const uuid = { source: 'config', uuid: instanceUuid } as const
  const { identity, isNew } = await openIdentity(join(place, 'identity.json'), [uuid])
  const clock = createServerClock(world)
  const network = await readNetwork({}, {})
  return {
    identity,
    isNewIdentity: isNew,
    connect: createConnect(identity.clientId, network, clock, world),
    bootstrapPath,
    metadataUrl: metadata.url,
    credentialsPath: join(place, 'credentials.json'),
    lookout: createLookout(world),
    clock,
    world,
    log,
  }
}

test('an agent whose key is pinned gets its credentials again, though its challenge is gone', async () => {
  await using bench = await createBench()
  const { metadata, key, challenge } = bench

  metadata.meta[key] = challenge
  const introduce = async () => await introducedAs(bench)
  const { signal } = new AbortController()
  const first = await enrol('enrol', await introduce(), { signal })

  await rm(join(bench.place, 'credentials.json'))
  delete metadata.meta[key]
  const again = await introduce()
  expect(again.isNewIdentity).toBe(false)
  expect((await enrol('enrol', again, { signal })).instance).toBe(first.instance)
})

test('an agent that no controller knows waits for its challenge, also after a restart', async () => {
  await using bench = await createBench()
  const { metadata, key, challenge } = bench

  await introducedAs(bench)
  const restarted = await introducedAs(bench)
  const states: string[] = []
  const onState = (state: string) => {
    states.push(state)
    // It was refused once, and has looked again since.
    if (states.filter((each) => each === 'greeting').length === 2) metadata.meta[key] = challenge
  }
  const { signal } = new AbortController()
  await enrol('enrol', { ...restarted, onState }, { signal })
  expect(states.at(-1)).toBe('welcomed')
})
