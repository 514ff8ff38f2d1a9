import { defineConfig } from 'vitest/config'

/** CI's machine is shared: what a neighbour’s load broke may try twice more there; the report names every test that did. */
const retry = process.env['CI'] === undefined ? 0 : 2

export default defineConfig({
  test: {
    reporters: ['default', './test/closing-line-reporter.ts'],
    // The tests wait for programs that they start more than they compute: one worker would leave a processor idle.
    maxWorkers: 2,
    sequence: { shuffle: { files: true, tests: false } },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{protocol,agent,controller,queue,cloud-init}/**/*.test.ts'],
          testTimeout: 30_000,
          retry,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          retry,
        },
      },
    ],
  },
})
