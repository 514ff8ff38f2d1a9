import { z } from 'zod'
import { cancelCommand } from '../../commands/cancel-command.ts'
import {
  createCommandOnce,
  createCommands,
  createCommandsOnce,
} from '../../commands/create-commands.ts'
import { waitForEnd } from '../../commands/wait-for-end.ts'
import { listCommands } from '../../store/commands.ts'
import { type Instance, listInstances } from '../../store/instances.ts'
import type { ApiParts } from '../api-parts.ts'
import { requireCluster, requireCommand, requireInstance } from '../find.ts'
import { parseRequest } from '../parse-request.ts'
import {
  CancelRequest,
  CommandRecord,
  CommandState,
  CommandsOnAll,
  NewCommand,
} from '../resources.ts'
import { json, noBody, noQuery, type Route, route } from '../route.ts'
import { showCommand } from '../show.ts'

const CommandList = z.object({ commands: z.array(CommandRecord) })

/** In the past: where a key gives old commands again, it may have enrolled since. */
const notEnrolled = { code: 'not-enrolled', message: 'had not enrolled yet' }

const IdempotencyKey = z.object({ 'Idempotency-Key': z.string().min(1).max(255).optional() })
const keyHeader = { 'Idempotency-Key': 'the same key and body again give the same again' }

/** @throws {RequestInvalidError} */
function readKey(header: (name: string) => string | undefined): string | undefined {
  const named = { 'Idempotency-Key': header('idempotency-key') }
  return parseRequest(IdempotencyKey, named, 'headers')['Idempotency-Key']
}

const ListQuery = z
  .strictObject({
    cluster: z.string().optional(),
    instance: z.string().optional(),
    state: CommandState.optional(),
    limit: z.coerce.number().int().min(1).max(1000).default(100),
    before: z.uuid().optional(),
  })
  .refine(({ cluster, instance }) => instance === undefined || cluster !== undefined, {
    path: ['cluster'],
    message: 'is missing: an instance is found by its cluster',
  })

const WaitQuery = z.strictObject({
  /** Seconds. */
  wait: z.coerce.number().min(0).max(300).default(0),
})

/** Commands: asking for them, following them, ending them. */
export function commandRoutes(parts: ApiParts): readonly Route[] {
  const { context, departures } = parts
  const show = (id: string) => showCommand(requireCommand(context, id))
  const showOnAll = (ids: readonly string[], instances: readonly Instance[]) => {
    const commands = ids.map((id) => requireCommand(context, id))
    const reached = new Set(commands.map(({ instanceId }) => instanceId))
    const leftOut = instances
      .filter(({ id }) => !reached.has(id))
      .map(({ name }) => ({ instance: name, reason: notEnrolled }))
    return { commands: commands.map(showCommand), leftOut }
  }

  const create = route({
    method: 'POST',
    path: '/v1/clusters/{cluster}/instances/{instance}/commands',
    summary: 'Have an instance run a command',
    query: noQuery,
    body: NewCommand,
    headers: keyHeader,
    answers: {
      202: { description: 'the new command', schema: CommandRecord },
      200: { description: 'the command that this key has made before', schema: CommandRecord },
    },
    run: async ({ param, body, header }) => {
      const { instance } = requireInstance(context, param('cluster'), param('instance'))
      const key = readKey(header)
      if (key === undefined) {
        const [id = ''] = await createCommands(context, parts, [instance], body)
        return json(202, CommandRecord, show(id))
      }
      const { id, isNew } = await createCommandOnce(context, parts, instance, body, key)
      return json(isNew ? 202 : 200, CommandRecord, show(id))
    },
  })
  const createOnAll = route({
    method: 'POST',
    path: '/v1/clusters/{cluster}/commands',
    summary:
      'Have each enrolled instance of a cluster run a command; all are taken on, or none. Others are left out',
    query: noQuery,
    body: NewCommand,
    headers: keyHeader,
    answers: {
      202: { description: 'one command for each enrolled instance', schema: CommandsOnAll },
      200: { description: 'the commands that this key has made before', schema: CommandsOnAll },
    },
    run: async ({ param, body, header }) => {
      const cluster = requireCluster(context, param('cluster'))
      const all = listInstances(context.store, cluster.id)
      const enrolled = all.filter(({ enrolledAt }) => enrolledAt !== null)
      const key = readKey(header)
      if (key === undefined) {
        const ids = await createCommands(context, parts, enrolled, body)
        return json(202, CommandsOnAll, showOnAll(ids, all))
      }
      const those = { clusterId: cluster.id, instances: enrolled }
      const { ids, isNew } = await createCommandsOnce(context, parts, those, body, key)
      return json(isNew ? 202 : 200, CommandsOnAll, showOnAll(ids, all))
    },
  })
  const list = route({
    method: 'GET',
    path: '/v1/commands',
    summary: 'List commands, the newest first',
    query: ListQuery,
    body: noBody,
    answers: { 200: { description: 'commands', schema: CommandList } },
    run: async ({ query }) => {
      const { cluster, instance, state, limit, before } = query
      const filter = {
        clusterId: cluster === undefined ? undefined : requireCluster(context, cluster).id,
        instanceId:
          cluster === undefined || instance === undefined
            ? undefined
            : requireInstance(context, cluster, instance).instance.id,
      }
      const found = listCommands(context.store, { ...filter, state, limit, before })
      return json(200, CommandList, { commands: found.map(showCommand) })
    },
  })
  const read = route({
    method: 'GET',
    path: '/v1/commands/{id}',
    summary: 'Read a command, and wait for its end',
    query: WaitQuery,
    body: noBody,
    answers: { 200: { description: 'the command, ended or not', schema: CommandRecord } },
    run: async ({ param, query, signal }) => {
      const command = await waitForEnd(context, param('id'), query.wait, signal)
      return json(200, CommandRecord, showCommand(command))
    },
  })
  const cancel = route({
    method: 'POST',
    path: '/v1/commands/{id}/cancel',
    summary: 'Have a command ended: TERM to all of its processes, KILL after the grace period',
    query: noQuery,
    body: CancelRequest.optional(),
    answers: { 202: { description: 'the command that is being cancelled', schema: CommandRecord } },
    run: async ({ param, body }) => {
      await cancelCommand(context, departures, param('id'), body ?? CancelRequest.parse({}))
      return json(202, CommandRecord, show(param('id')))
    },
  })
  return [create, createOnAll, list, read, cancel]
}
