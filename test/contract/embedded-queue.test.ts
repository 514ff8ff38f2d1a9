import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realWorld } from '../../protocol/real-world.ts'
import { openQueueService } from '../../queue/serve-queue.ts'
import { describeContract } from './describe-contract.ts'

describeContract(
  'the embedded queue keeps the contract',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'contract-queue-'))
    const database = join(directory, 'queue.db')
    const service = await openQueueService({ port: 0, database }, realWorld())
    const { url: endpoint, token = '' } = service
    return {
      endpoint,
      projectId: 'p1',
      auth: { kind: 'token', getToken: async () => token },
      secretKey: (await readFile(`${database}.key`, 'utf8')).trim(),
      isLongPolling: true,
      [Symbol.asyncDispose]: async () => {
        await service[Symbol.asyncDispose]()
        await rm(directory, { recursive: true })
      },
    }
  },
  { hasSubscriptions: false },
)
