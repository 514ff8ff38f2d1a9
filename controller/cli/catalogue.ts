import type { DefineCommand } from './act.ts'

/** A command, loaded when it is wanted; or a group of them. */
export type CatalogueEntry = { name: string; summary: string } & (
  | { load: () => Promise<DefineCommand> }
  | { commands: readonly CatalogueEntry[] }
)

/** Every command of the CLI, in the order of the help. */
export const catalogue: readonly CatalogueEntry[] = [
  {
    name: 'serve',
    summary: 'run the controller',
    load: async () => (await import('./commands/serve.ts')).defineServe,
  },
  {
    name: 'status',
    summary: 'how the controller and its queue are',
    load: async () => (await import('./commands/status.ts')).defineStatus,
  },
  {
    name: 'cluster',
    summary: 'create, list, show, delete clusters',
    commands: [
      {
        name: 'create',
        summary: 'create a cluster with keys and queues of its own',
        load: async () => (await import('./commands/cluster-create.ts')).defineClusterCreate,
      },
      {
        name: 'list',
        summary: 'list the clusters',
        load: async () => (await import('./commands/cluster-list.ts')).defineClusterList,
      },
      {
        name: 'show',
        summary: 'show one cluster',
        load: async () => (await import('./commands/cluster-show.ts')).defineClusterShow,
      },
      {
        name: 'delete',
        summary: 'delete a cluster and its queues',
        load: async () => (await import('./commands/cluster-delete.ts')).defineClusterDelete,
      },
    ],
  },
  {
    name: 'instance',
    summary: 'list, show, forget instances, allow a new key',
    commands: [
      {
        name: 'list',
        summary: 'list the instances of a cluster',
        load: async () => (await import('./commands/instance-list.ts')).defineInstanceList,
      },
      {
        name: 'show',
        summary: 'show one instance and its alerts',
        load: async () => (await import('./commands/instance-show.ts')).defineInstanceShow,
      },
      {
        name: 'forget',
        summary: 'revoke an instance: its queue is retired',
        load: async () => (await import('./commands/instance-forget.ts')).defineInstanceForget,
      },
      {
        name: 'allow-enrolment',
        summary: 'let a new key replace the pinned one, once',
        load: async () => (await import('./commands/allow-enrolment.ts')).defineAllowEnrolment,
      },
    ],
  },
  {
    name: 'user-data',
    summary: 'print what starts the agent of a new instance',
    load: async () => (await import('./commands/user-data.ts')).defineUserData,
  },
  {
    name: 'run',
    summary: 'run a command on an instance, or on all of a cluster',
    load: async () => (await import('./commands/run.ts')).defineRun,
  },
  {
    name: 'put',
    summary: 'copy a file to an instance, or to all of a cluster',
    load: async () => (await import('./commands/put.ts')).definePut,
  },
  {
    name: 'get',
    summary: 'copy a file from an instance, or from all of a cluster',
    load: async () => (await import('./commands/get.ts')).defineGet,
  },
  {
    name: 'http',
    summary: 'make an HTTP request to a service on an instance',
    load: async () => (await import('./commands/http.ts')).defineHttp,
  },
  {
    name: 'command',
    summary: 'list, show, wait for, cancel commands, read their output',
    commands: [
      {
        name: 'list',
        summary: 'list commands, the newest first',
        load: async () => (await import('./commands/command-list.ts')).defineCommandList,
      },
      {
        name: 'show',
        summary: 'show one command and its result',
        load: async () => (await import('./commands/command-show.ts')).defineCommandShow,
      },
      {
        name: 'output',
        summary: 'print the output of a command',
        load: async () => (await import('./commands/command-output.ts')).defineCommandOutput,
      },
      {
        name: 'wait',
        summary: 'wait until commands have ended',
        load: async () => (await import('./commands/command-wait.ts')).defineCommandWait,
      },
      {
        name: 'cancel',
        summary: 'end commands early',
        load: async () => (await import('./commands/command-cancel.ts')).defineCommandCancel,
      },
    ],
  },
]
