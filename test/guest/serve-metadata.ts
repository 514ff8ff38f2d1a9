import { type ServedProxy, serveProxy } from '../system/serve-proxy.ts'
import { openStackFiles, type Seed } from './make-seed.ts'

/** Nova's metadata service, as far as cloud-init asks it: an index of versions, and below it what a config drive holds. */
export async function serveMetadata(seed: Seed): Promise<ServedProxy> {
  const files: Record<string, string> = {
    ...openStackFiles(seed),
    openstack: 'latest\n',
    'openstack/latest': 'meta_data.json\nnetwork_data.json\nuser_data\nvendor_data.json\n',
  }
  return serveProxy(async (incoming, outgoing) => {
    const text = files[(incoming.url ?? '').replaceAll(/^\/|\/$/g, '')]
    outgoing.writeHead(text === undefined ? 404 : 200).end(text)
  })
}
