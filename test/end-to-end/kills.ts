import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Gate, Passing } from '../system/gate-proxy.ts'
import { kindsIn } from '../system/read-passing.ts'
import { type ClusterSettings, startCluster, type TestCluster } from '../system/start-cluster.ts'
import { waitForEnd, whileUnreachable } from './wait-for-end.ts'

/** Longer than a claim, so that what a killed claimer held comes back. */
const claimOverMs = 70_000

interface Step {
  name: string
  /** Whose requests are looked at. */
  who: 'agent' | 'controller'
  /** Who is killed; default: `who`. */
  victim?: 'queue'
  when: 'before' | 'after'
  /** The step of a command's way. */
  is: (passing: Passing, answer: string) => boolean
  /** What holds it is hidden until its claim is over. */
  claimHeld?: boolean
}

const isReturnQueue = ({ path }: Passing): boolean => path.includes('/sa-r-')
const posts = (kind: string) => (passing: Passing) =>
  passing.method === 'POST' && kindsIn(passing).includes(kind)
const acknowledges = ({ method, path }: Passing): boolean =>
  method === 'DELETE' && path.includes('/messages?ids=')
const claimsSomething = (passing: Passing, answer: string): boolean =>
  passing.method === 'POST' && passing.path.includes('/claims') && answer.includes('"sealed"')

const steps: Step[] = [
  {
    name: 'the agent, when its claim has been answered',
    who: 'agent',
    when: 'after',
    is: claimsSomething,
    claimHeld: true,
  },
  {
    name: 'the agent, before it acknowledges',
    who: 'agent',
    when: 'before',
    is: acknowledges,
    claimHeld: true,
  },
  { name: 'the agent, when it has acknowledged', who: 'agent', when: 'after', is: acknowledges },
  { name: 'the agent, before it posts output', who: 'agent', when: 'before', is: posts('output') },
  {
    name: 'the agent, when it has posted output',
    who: 'agent',
    when: 'after',
    is: posts('output'),
  },
  {
    name: 'the agent, before it posts the result',
    who: 'agent',
    when: 'before',
    is: posts('result'),
  },
  {
    name: 'the agent, when it has posted the result',
    who: 'agent',
    when: 'after',
    is: posts('result'),
  },
  {
    name: 'the controller, before it posts the command',
    who: 'controller',
    when: 'before',
    is: posts('sahara-command'),
  },
  {
    name: 'the controller, when it has posted the command',
    who: 'controller',
    when: 'after',
    is: posts('sahara-command'),
  },
  {
    name: 'the controller, when it has claimed a reply',
    who: 'controller',
    when: 'after',
    is: (passing, answer) => isReturnQueue(passing) && claimsSomething(passing, answer),
    claimHeld: true,
  },
  {
    name: 'the controller, before it deletes a reply',
    who: 'controller',
    when: 'before',
    is: (passing) => isReturnQueue(passing) && acknowledges(passing),
    claimHeld: true,
  },
  {
    name: 'the controller, when it has deleted a reply',
    who: 'controller',
    when: 'after',
    is: (passing) => isReturnQueue(passing) && acknowledges(passing),
  },
]

/** The queue service is killed at the same steps; both of the others live on, and knock again. */
const queueSteps: Step[] = steps
  .filter(({ name }) => /post|claim|acknowledged|deleted/.test(name))
  .map((step) => ({
    ...step,
    name: `the queue service, at the step of ${step.name}`,
    victim: 'queue',
    // A request that did not reach the queue has changed nothing there; a claim whose answer was lost has.
    claimHeld: step.when === 'after' && step.name.includes('claim'),
  }))

/** @param settingsFor the queue service to use; `isKilled` when it must be one that can be. */
export function describeKills(
  settingsFor: (queue: { isKilled: boolean }) => ClusterSettings,
): void {
  test.for([...steps, ...queueSteps])('ends once and runs once: $name', async (step) => {
    await using cluster = await startCluster(settingsFor({ isKilled: step.victim === 'queue' }))
    const killing = killAt(cluster, step)
    const id = await beginMarking(cluster)
    await killing
    if (step.claimHeld) await cluster.queue.shift(claimOverMs)
    const record = await waitForEnd(cluster, id)
    expect(record).toMatchObject({ state: 'succeeded', outputComplete: true, outputBytes: 4 })
    expect(await readFile(join(cluster.directory, 'mark'), 'utf8')).toBe('once\n')
  })
}

/** Resolves when the process was killed at the step, and started again. */
async function killAt(cluster: TestCluster, step: Step): Promise<void> {
  const gate = step.who === 'agent' ? cluster.agentGate : cluster.controllerGate
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let isDone = false
  const kill = async (passing: Passing, answer: string): Promise<'pass' | 'drop'> => {
    if (isDone || !step.is(passing, answer)) return 'pass'
    isDone = true
    gate.setGate({})
    // Killed before the request goes on; started again beside it, since the start may wait for this very gate.
    await killed(cluster, step)
    void startedAgain(cluster, step).then(resolve, reject)
    return 'drop'
  }
  const hooks: Gate =
    step.when === 'before'
      ? { before: async (passing) => await kill(passing, '') }
      : { after: async (passing, _status, answer) => await kill(passing, answer) }
  gate.setGate(hooks)
  await promise
}

async function killed(cluster: TestCluster, step: Step): Promise<void> {
  if (step.victim === 'queue') await cluster.queue.restart()
  else await (step.who === 'agent' ? cluster.agent : cluster.controller).stop('SIGKILL')
}

async function startedAgain(cluster: TestCluster, step: Step): Promise<void> {
  if (step.victim === 'queue') return
  await (step.who === 'agent' ? cluster.restartAgent() : cluster.restartController())
}

/** Posts a command that leaves one line in a file each time it runs. */
async function beginMarking(cluster: TestCluster): Promise<string> {
  const script = `echo once >> ${join(cluster.directory, 'mark')}; echo out`
  const target = { cluster: 'test', instance: 'worker-1' }
  const operation = { name: 'exec' as const, argv: ['sh', '-c', script] }
  const key = randomUUID()
  const [command] = await whileUnreachable(() =>
    cluster.api.postCommand(target, { operation }, key),
  )
  if (!command) throw new Error('no command was made')
  return command.id
}
