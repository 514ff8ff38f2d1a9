import type { ApiReply } from '../http/api-reply.ts'
import type { ApiRequest, QueueApi } from '../http/api-request.ts'

/** GET /: which versions of the API there are. Needs no header at all. */
export function getVersions(): ApiReply {
  const versions = [
    {
      id: '2',
      status: 'CURRENT',
      updated: '2014-9-24T04:06:47Z',
      'media-types': [
        { base: 'application/json', type: 'application/vnd.openstack.messaging-v2+json' },
      ],
      links: [{ href: '/v2/', rel: 'self' }],
    },
  ]
  return { status: 300, body: JSON.stringify({ versions }) }
}

const queuePath = '/v2/queues/{queue_name}'

/** Every resource: its name, its path with variables, and its methods. */
const resources = [
  ['queues', '/v2/queues{?marker,limit,detailed,with_count}', ['GET']],
  ['queue', queuePath, ['GET', 'PUT', 'PATCH', 'DELETE']],
  ['queue_stats', `${queuePath}/stats`, ['GET']],
  ['queue_share', `${queuePath}/share`, ['POST']],
  ['queue_purge', `${queuePath}/purge`, ['POST']],
  [
    'messages',
    `${queuePath}/messages{?limit,marker,echo,include_claimed,include_delayed}`,
    ['GET', 'POST', 'DELETE'],
  ],
  ['message', `${queuePath}/messages/{message_id}{?claim_id}`, ['GET', 'DELETE']],
  ['post_claim', `${queuePath}/claims{?limit}`, ['POST']],
  ['claim', `${queuePath}/claims/{claim_id}`, ['GET', 'PATCH', 'DELETE']],
  ['ping', '/v2/ping', ['GET']],
] as const

/** GET /v2/: the home document (JSON-home), which lists the resources. */
export function getHome(): ApiReply {
  const entries = resources.map(([name, template, allow]) => [
    `rel/${name}`,
    {
      'href-template': template,
      'href-vars': Object.fromEntries(
        [...template.matchAll(/\w+(?=[,}])/g)].map(([variable]) => [variable, `param/${variable}`]),
      ),
      hints: { allow, formats: { 'application/json': {} } },
    },
  ])
  return {
    status: 200,
    body: JSON.stringify({ resources: Object.fromEntries(entries) }),
    headers: { 'Content-Type': 'application/json-home' },
  }
}

/** GET and HEAD /v2/ping: 204 while the database answers. */
export function ping(api: QueueApi, request: ApiRequest): ApiReply {
  api.store.look(() => api.store.queues.count(request.queue.project))
  return { status: 204 }
}

/** GET /v2/health: whether a change reaches the disk, and how long that takes; for the operator only. */
export async function getHealth(api: QueueApi): Promise<ApiReply> {
  const started = api.world.monotonicMs()
  let succeeded = true
  try {
    api.store.change(() => api.store.noteHealthCheck())
    await api.store.flushed()
  } catch {
    succeeded = false
  }
  const seconds = (api.world.monotonicMs() - started) / 1000
  return {
    status: 200,
    body: JSON.stringify({
      storage_reachable: succeeded,
      operation_status: { flush_change: { succeeded, seconds, ref: null } },
      waiting_requests: api.waiting.size,
    }),
  }
}
