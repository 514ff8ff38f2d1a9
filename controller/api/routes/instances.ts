import { z } from 'zod'
import { forgetInstance } from '../../instances/forget-instance.ts'
import { listInstances, setEnrolmentAllowed } from '../../store/instances.ts'
import type { ApiParts } from '../api-parts.ts'
import { requireCluster, requireInstance } from '../find.ts'
import { Instance } from '../resources.ts'
import { json, noBody, noQuery, type Route, route } from '../route.ts'
import { showInstance } from '../show.ts'

const InstanceList = z.object({ instances: z.array(Instance) })

/** The instances of a cluster. They come by enrolment, not by this API. */
export function instanceRoutes({ context, departures, retireSoon }: ApiParts): readonly Route[] {
  const show = (cluster: string, name: string) => {
    const found = requireInstance(context, cluster, name)
    return showInstance(context, found.cluster, found.instance)
  }
  const setAllowed = async (cluster: string, name: string, allowed: boolean) => {
    const { instance } = requireInstance(context, cluster, name)
    await context.store.write(() => setEnrolmentAllowed(context.store, instance.id, allowed))
    return show(cluster, instance.id)
  }
  const list = route({
    method: 'GET',
    path: '/v1/clusters/{cluster}/instances',
    summary: "List a cluster's instances",
    query: noQuery,
    body: noBody,
    answers: { 200: { description: 'its instances, by name', schema: InstanceList } },
    run: async ({ param }) => {
      const cluster = requireCluster(context, param('cluster'))
      const instances = listInstances(context.store, cluster.id).map((instance) =>
        showInstance(context, cluster, instance),
      )
      return json(200, InstanceList, { instances })
    },
  })
  const read = route({
    method: 'GET',
    path: '/v1/clusters/{cluster}/instances/{instance}',
    summary: 'Read an instance, by name or id',
    query: noQuery,
    body: noBody,
    answers: { 200: { description: 'the instance', schema: Instance } },
    run: async ({ param }) => json(200, Instance, show(param('cluster'), param('instance'))),
  })
  const forget = route({
    method: 'DELETE',
    path: '/v1/clusters/{cluster}/instances/{instance}',
    summary:
      'Forget an instance: its queue is retired, what still arrives under its name is ignored',
    query: noQuery,
    body: noBody,
    answers: { 204: { description: 'it is forgotten' } },
    run: async ({ param }) => {
      const { instance } = requireInstance(context, param('cluster'), param('instance'))
      await forgetInstance(context, departures, instance)
      retireSoon()
      return { status: 204 }
    },
  })
  const allow = route({
    method: 'POST',
    path: '/v1/clusters/{cluster}/instances/{instance}/allow-enrolment',
    summary: 'Let a new key replace the pinned one, once',
    query: noQuery,
    body: noBody,
    answers: { 200: { description: 'the instance', schema: Instance } },
    run: async ({ param }) =>
      json(200, Instance, await setAllowed(param('cluster'), param('instance'), true)),
  })
  const disallow = route({
    method: 'DELETE',
    path: '/v1/clusters/{cluster}/instances/{instance}/allow-enrolment',
    summary: 'Let no new key replace the pinned one, though that was allowed',
    query: noQuery,
    body: noBody,
    answers: { 200: { description: 'the instance', schema: Instance } },
    run: async ({ param }) =>
      json(200, Instance, await setAllowed(param('cluster'), param('instance'), false)),
  })
  return [list, read, forget, allow, disallow]
}
