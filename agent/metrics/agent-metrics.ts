import { createMetrics, type Metrics } from '../../protocol/metrics/metrics.ts'
import { addProcessMetrics } from '../../protocol/metrics/process-metrics.ts'
import type { Status } from '../status/status.ts'

/** What the agent counts while it works; each is documented in docs/observability.md. */
export interface AgentMetrics extends Pick<Metrics, 'render'> {
  noteTaken: (operation: string) => void
  noteEnded: (state: string) => void
  /** A request to the queue service has come back. */
  noteRequest: (action: string, outcome: string, seconds: number) => void
}

/** Upper ends of the buckets, in seconds. A claim's long poll takes up to `poll.waitSeconds`. */
const requestBounds = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 30, 60, 120, 300]

/** @param status is asked whenever the metrics are. */
export function createAgentMetrics(status: () => Status): AgentMetrics {
  const metrics = createMetrics()
  const taken = metrics.counter(
    'sahara_agent_commands_taken_total',
    'Commands taken into the journal, by operation.',
  )
  const ended = metrics.counter(
    'sahara_agent_commands_ended_total',
    'Commands that have ended, by end state.',
  )
  const requests = metrics.counter(
    'sahara_agent_queue_requests_total',
    'Requests to the queue service, by what for and how they came out (ok, or the error’s code).',
  )
  const requestSeconds = metrics.histogram(
    'sahara_agent_queue_request_seconds',
    'How long requests to the queue service took; of claims, the long poll.',
    requestBounds,
  )
  addStatusMetrics(metrics, status)
  addProcessMetrics(metrics)
  return {
    render: metrics.render,
    noteTaken: (operation) => taken({ operation }),
    noteEnded: (state) => ended({ state }),
    noteRequest: (action, outcome, seconds) => {
      requests({ action, outcome })
      requestSeconds(seconds, { action })
    },
  }
}

function addStatusMetrics(metrics: Metrics, status: () => Status): void {
  const gauge = (name: string, help: string, read: (status: Status) => number) =>
    metrics.gauge(`sahara_agent_${name}`, help, () => read(status()))
  metrics.gauge('sahara_agent_info', 'The version, and how the agent stands; always 1.', () => {
    const { agentVersion: version, phase } = status()
    return [{ labels: { version, phase }, value: 1 }]
  })
  gauge('start_time_seconds', 'When the agent started, in Unix time.', ({ startedAt }) =>
    unixSeconds(startedAt),
  )
  gauge('commands_running', 'Commands that run now.', ({ running }) => running.length)
  gauge('commands_waiting', 'Commands that wait for turn or content.', ({ waiting }) => waiting)
  gauge('journal_owed_commands', 'Commands whose result is not sent.', ({ owed }) => owed)
  gauge(
    'clock_offset_seconds',
    'Guest clock minus queue service’s clock.',
    ({ clockOffsetMs }) => clockOffsetMs / 1000,
  )
  gauge(
    'credentials_expiry_timestamp_seconds',
    'When the signed URLs end, in Unix time.',
    ({ credentialsExpireAt }) => unixSeconds(credentialsExpireAt),
  )
  gauge(
    'last_answer_timestamp_seconds',
    'When the command queue answered the last time, in Unix time.',
    ({ lastAnswerAt }) => unixSeconds(lastAnswerAt),
  )
  metrics.counterOf(
    'sahara_agent_messages_dropped_total',
    'Messages that were dropped, by reason.',
    () =>
      Object.entries(status().dropped).map(([reason, value]) => ({ labels: { reason }, value })),
  )
}

function unixSeconds(moment: Date | null): number {
  return moment ? moment.getTime() / 1000 : Number.NaN
}
