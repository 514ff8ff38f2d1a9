import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createMetrics } from './metrics.ts'
import { addProcessMetrics } from './process-metrics.ts'

describe('metrics', () => {
  test('are written in the text format of Prometheus', () => {
    const metrics = createMetrics()
    const count = metrics.counter('things_total', 'Things, by kind.')
    count({ kind: 'a' })
    count({ kind: 'a' }, 2)
    count({ kind: 'b "quoted"\\\n' })
    metrics.gauge('depth', 'How deep.', () => 7.5)
    metrics.gauge('by_state', 'By state.', () => [{ labels: { state: 'x' }, value: 1 }])
    const observe = metrics.histogram('took_seconds', 'How long.', [0.1, 1])
    observe(0.05)
    observe(0.5)
    observe(5)
    expect(metrics.render()).toBe(`# HELP things_total Things, by kind.
# TYPE things_total counter
things_total{kind="a"} 3
things_total{kind="b \\"quoted\\"\\\\\\n"} 1
# HELP depth How deep.
# TYPE depth gauge
depth 7.5
# HELP by_state By state.
# TYPE by_state gauge
by_state{state="x"} 1
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 1
took_seconds_bucket{le="1"} 2
took_seconds_bucket{le="+Inf"} 3
took_seconds_sum 5.55
took_seconds_count 3
`)
  })

  test('stay bounded, whatever labels come', () => {
    const metrics = createMetrics()
    const count = metrics.counter('things_total', 'Things.')
    for (let index = 0; index < 1000; index += 1) count({ kind: `k${index}` })
    const lines = metrics.render().trim().split('\n')
    expect(lines).toHaveLength(2 + 100 + 1)
    expect(lines.at(-1)).toBe('things_total{kind="other"} 900')
  })

  test('keep every label on its own line', () => {
    fc.assert(
      fc.property(fc.string(), (kind) => {
        const metrics = createMetrics()
        metrics.counter('things_total', 'Things.')({ kind })
        const [line = '', ...rest] = metrics.render().trimEnd().split('\n').slice(2)
        expect(rest).toEqual([])
        expect(line).toMatch(/^things_total\{kind=".*"\} 1$/s)
      }),
    )
  })

  test('of the process are numbers', () => {
    const metrics = createMetrics()
    addProcessMetrics(metrics)
    expect(metrics.render()).toMatch(/^process_open_fds \d+$/m)
  })
})
