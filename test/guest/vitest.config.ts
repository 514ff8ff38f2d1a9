import { defineConfig } from 'vitest/config'

/** `npm run test:guest`: whole machines in software emulation, one after the other, each for minutes. */
export default defineConfig({
  test: {
    name: 'guest',
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/guest/*.machine.ts'],
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 900_000,
    reporters: ['verbose', './test/closing-line-reporter.ts'],
    disableConsoleIntercept: true,
  },
})
