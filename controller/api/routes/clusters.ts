import { z } from 'zod'
import { challengeKey } from '../../../protocol/messages/enrolment.ts'
import { createCluster } from '../../clusters/create-cluster.ts'
import { deleteCluster } from '../../clusters/delete-cluster.ts'
import { makeChallenge } from '../../enrolment/challenge.ts'
import { makeUserData } from '../../enrolment/make-user-data.ts'
import { listClusters } from '../../store/clusters.ts'
import { anyNeedsChallenge } from '../../store/enrolment-secrets.ts'
import type { ApiParts } from '../api-parts.ts'
import { requireCluster } from '../find.ts'
import {
  Challenge,
  ChallengeRequest,
  Cluster,
  NewCluster,
  UserData,
  UserDataRequest,
} from '../resources.ts'
import { json, noBody, noQuery, type Route, route } from '../route.ts'
import { showCluster } from '../show.ts'

const ClusterList = z.object({ clusters: z.array(Cluster) })

/** Clusters, and the user-data that lets instances into them. */
export function clusterRoutes({
  context,
  collectors,
  departures,
  retireSoon,
}: ApiParts): readonly Route[] {
  const create = route({
    method: 'POST',
    path: '/v1/clusters',
    summary: 'Make a cluster, with keys and queues of its own',
    query: noQuery,
    body: NewCluster,
    answers: { 201: { description: 'the cluster', schema: Cluster } },
    run: async ({ body }) => {
      const cluster = await createCluster(context, body)
      collectors.start(cluster)
      return json(201, Cluster, showCluster(context, cluster))
    },
  })
  const list = route({
    method: 'GET',
    path: '/v1/clusters',
    summary: 'List the clusters',
    query: noQuery,
    body: noBody,
    answers: { 200: { description: 'all clusters, by name', schema: ClusterList } },
    run: async () => {
      const clusters = listClusters(context.store).map((cluster) => showCluster(context, cluster))
      return json(200, ClusterList, { clusters })
    },
  })
  const read = route({
    method: 'GET',
    path: '/v1/clusters/{cluster}',
    summary: 'Read a cluster, by name or id',
    query: noQuery,
    body: noBody,
    answers: { 200: { description: 'the cluster', schema: Cluster } },
    run: async ({ param }) =>
      json(200, Cluster, showCluster(context, requireCluster(context, param('cluster')))),
  })
  const remove = route({
    method: 'DELETE',
    path: '/v1/clusters/{cluster}',
    summary: 'Delete a cluster: open commands end as cancelled or lost, its queues are deleted',
    query: noQuery,
    body: noBody,
    answers: { 204: { description: 'it is gone' } },
    run: async ({ param }) => {
      const cluster = requireCluster(context, param('cluster'))
      // First the store: where it takes nothing, the cluster stays, and its replies are to be collected.
      await deleteCluster(context, departures, cluster)
      await collectors.stop(cluster.id)
      retireSoon()
      return { status: 204 }
    },
  })
  const userData = route({
    method: 'POST',
    path: '/v1/clusters/{cluster}/user-data',
    summary: 'Make user-data that lets an instance enrol; it is a secret',
    query: noQuery,
    body: UserDataRequest,
    answers: { 201: { description: 'user-data', schema: UserData } },
    run: async ({ param, body }) => {
      const cluster = requireCluster(context, param('cluster'))
      const made = await makeUserData(context, cluster, body)
      return json(201, UserData, { ...made, format: body.format })
    },
  })
  const challenge = route({
    method: 'POST',
    path: '/v1/clusters/{cluster}/challenges',
    summary: "Make an instance's challenge, for its Nova server's metadata; it is a secret",
    query: noQuery,
    body: ChallengeRequest,
    answers: { 200: { description: 'its challenge', schema: Challenge } },
    run: async ({ param, body }) => {
      const { id } = requireCluster(context, param('cluster'))
      const made = makeChallenge(context.store, id, body.instanceUuid)
      return json(200, Challenge, {
        key: challengeKey,
        challenge: Buffer.from(made).toString('base64url'),
        required: anyNeedsChallenge(context.store, id),
      })
    },
  })
  return [create, list, read, remove, userData, challenge]
}
