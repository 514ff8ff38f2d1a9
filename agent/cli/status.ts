import { Command } from 'commander'
import { z } from 'zod'
import { readAgentConfig } from '../read-config.ts'
import { statePaths } from '../state-directory.ts'
import { askStatus } from '../status/ask-status.ts'
import { describeFailure } from '../status/queue-failures.ts'
import { Status } from '../status/status.ts'
import { print } from './output.ts'

interface StatusOptions {
  config?: string
  stateDirectory?: string
  json?: true
}

const examples = `
Examples:
  $ sahara-agent status
  $ sahara-agent status --json
  $ sahara-agent status --state-directory ./state`

/** `sahara-agent status`: asks the running agent how it is. */
export function statusCommandLine(): Command {
  return new Command('status')
    .description('ask the running agent how it is')
    .option('--config <file>', 'the running agent’s configuration')
    .option('--state-directory <directory>', 'its state directory; overrides stateDirectory')
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', examples)
    .action(showStatus)
}

async function showStatus({ config: path, stateDirectory, json }: StatusOptions): Promise<void> {
  const config = await readAgentConfig(path, { stateDirectory })
  const status = await askStatus(statePaths(config.stateDirectory).statusSocket)
  await print(
    json ? `${JSON.stringify(z.encode(Status, status), null, 2)}\n` : describeStatus(status),
  )
}

/** The status for people. Pure. */
export function describeStatus(status: Status): string {
  const { running, dropped } = status
  const drops = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`)
  const rows = [
    [
      'agent',
      `${status.agentVersion}, pid ${status.pid}, up ${Math.round(status.uptimeSeconds)} s`,
    ],
    ['phase', `${status.phase} (${status.enrolment})`],
    [
      'instance',
      status.instanceName ? `${status.instanceName} (${status.instance})` : 'not enrolled',
    ],
    ['cluster', status.cluster ?? '-'],
    ['queue service', describeQueue(status)],
    ['last answer', describeMoment(status.lastAnswerAt)],
    ['gateway', describeGateway(status)],
    ['polling', describePolling(status)],
    ['credentials until', describeMoment(status.credentialsExpireAt)],
    ['clock offset', `${status.clockOffsetMs} ms`],
    ['running', running.length === 0 ? 'nothing' : running.join(', ')],
    ['waiting', String(status.waiting)],
    ['results owed', String(status.owed)],
    ['policy', describePolicy(status.policy)],
    ['dropped', drops.length === 0 ? 'nothing' : drops.join(', ')],
  ] as const
  return rows.map(([name, value]) => `${`${name}:`.padEnd(20)}${value}\n`).join('')
}

function describeQueue({ endpoint, queueFailures }: Status): string {
  if (endpoint === null) return '-'
  const failures = queueFailures.map(describeFailure)
  return [endpoint, ...failures].join('; ')
}

function describeGateway({ gateway, claimsVia }: Status): string {
  if (gateway === null) return 'none'
  const isUsed = claimsVia === 'gateway' || claimsVia === null
  return isUsed ? gateway : `${gateway} (does not answer; going around it)`
}

function describePolling({ longPoll, pollPauseMs, queueFailures }: Status): string {
  if (queueFailures.some(({ action }) => action === 'claim')) return 'FAILS; it is tried again'
  if (pollPauseMs === null) return '-'
  const pause = pollPauseMs === 0 ? 'at once' : `after ${pollPauseMs} ms`
  return longPoll
    ? `held open until something comes, then ${pause}`
    : `every so often, next ${pause}`
}

function describePolicy(policy: Status['policy']): string {
  if (!policy) return '-'
  const { source, path, mode, preset, problem } = policy
  if (source === 'broken') return `${path} CANNOT BE USED, everything is refused: ${problem}`
  if (source === 'absent') return `no file at ${path}, so the preset "${preset}" holds`
  return `${path}, mode ${mode}, preset ${preset}`
}

function describeMoment(moment: Date | null): string {
  return moment ? moment.toISOString() : '-'
}
