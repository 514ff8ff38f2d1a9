import { defineConfig } from 'vitest/config'

/** `npm run test:guest`: what takes minutes, one after the other; above all whole machines in software emulation. */
export default defineConfig({
  test: {
    name: 'guest',
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/guest/*.{machine,slow}.ts'],
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    reporters: ['verbose', './test/closing-line-reporter.ts'],
    disableConsoleIntercept: true,
  },
})
