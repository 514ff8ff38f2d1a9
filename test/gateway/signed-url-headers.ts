import { SignedUrl } from '../../protocol/signed-url/signed-url.ts'
import { authorize } from '../../protocol/zaqar/authorize.ts'
import type { TestQueue } from '../open-test-queue.ts'

/** What an agent sends to show a signed URL, made by the queue service. */
export async function signedUrlHeaders(
  queue: TestQueue,
  name: string,
  path: 'claims' | 'messages',
  ...methods: string[]
): Promise<Record<string, string>> {
  const { body } = await queue.send('POST', `/v2/queues/${name}/share`, {
    body: { paths: [path], methods },
  })
  const { headers } = await authorize({ kind: 'signed', url: SignedUrl.parse(body) }, '')
  return headers
}
