import { z } from 'zod'
import { createMetrics, type Metrics } from '../../protocol/metrics/metrics.ts'
import { addProcessMetrics } from '../../protocol/metrics/process-metrics.ts'
import type { Store } from '../store/open-store.ts'

/** What the controller counts while it works; each is documented in docs/observability.md. */
export interface ControllerMetrics extends Pick<Metrics, 'render'> {
  /** A request to the queue service has come back. */
  noteRequest: (action: string, outcome: string, seconds: number) => void
  /** The first word of the agent about a command, counted from when it was asked for. */
  noteFirstWord: (seconds: number) => void
  /** A command has ended, counted likewise. */
  noteEnded: (state: string, seconds: number) => void
}

/** Upper ends of the buckets, in seconds. */
const bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600]

export function createControllerMetrics(store: Pick<Store, 'database'>): ControllerMetrics {
  const metrics = createMetrics()
  const requests = metrics.counter(
    'sahara_controller_queue_requests_total',
    'Requests to the queue service, by what for and how they came out (ok, or the error’s code).',
  )
  const requestSeconds = metrics.histogram(
    'sahara_controller_queue_request_seconds',
    'How long requests to the queue service took; of claims, the long poll.',
    bounds,
  )
  const firstWord = metrics.histogram(
    'sahara_controller_command_latency_seconds',
    'From when a command was asked for to the first word of its agent.',
    bounds,
  )
  const ended = metrics.histogram(
    'sahara_controller_command_seconds',
    'From when a command was asked for to its end, by end state; its count is the number of ended commands.',
    bounds,
  )
  metrics.gauge(
    'sahara_controller_commands_open',
    'Commands that have not ended, by state (queued, posted, accepted).',
    () => countOpen(store),
  )
  metrics.gauge('sahara_controller_instances', 'Instances, by whether they have enrolled.', () =>
    countInstances(store),
  )
  addProcessMetrics(metrics)
  return {
    render: metrics.render,
    noteRequest: (action, outcome, seconds) => {
      requests({ action, outcome })
      requestSeconds(seconds, { action })
    },
    noteFirstWord: (seconds) => firstWord(Math.max(0, seconds)),
    noteEnded: (state, seconds) => ended(Math.max(0, seconds), { state }),
  }
}

const Counted = z.object({ state: z.string(), value: z.number() })

function countOpen({ database }: Pick<Store, 'database'>) {
  const rows = database.all(
    Counted,
    `SELECT state, count(*) AS value FROM commands WHERE ended_at IS NULL GROUP BY state`,
  )
  return ['queued', 'posted', 'accepted'].map((state) => ({
    labels: { state },
    value: rows.find((row) => row.state === state)?.value ?? 0,
  }))
}

function countInstances({ database }: Pick<Store, 'database'>) {
  const rows = database.all(
    Counted,
    `SELECT iif(enrolled_at IS NULL, 'expected', 'enrolled') AS state, count(*) AS value
     FROM instances WHERE deleted_at IS NULL GROUP BY 1`,
  )
  return ['expected', 'enrolled'].map((state) => ({
    labels: { state },
    value: rows.find((row) => row.state === state)?.value ?? 0,
  }))
}
