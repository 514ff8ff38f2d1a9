import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openQueueService } from '../../queue/serve-queue.ts'
import { shiftingWorld } from '../system/shifting-world.ts'
import { describeContract } from './describe-contract.ts'

describeContract(
  'the embedded queue keeps the contract',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'contract-queue-'))
    const database = join(directory, 'queue.db')
    const world = shiftingWorld()
    const service = await openQueueService({ port: 0, database }, world)
    const { url: endpoint, token = '' } = service
    return {
      endpoint,
      projectId: 'p1',
      auth: { kind: 'token', getToken: async () => token },
      secretKey: (await readFile(`${database}.key`, 'utf8')).trim(),
      isLongPolling: true,
      advance: async (ms) => world.shift(ms),
      [Symbol.asyncDispose]: async () => {
        await service[Symbol.asyncDispose]()
        await rm(directory, { recursive: true })
      },
    }
  },
  { hasSubscriptions: false },
)
