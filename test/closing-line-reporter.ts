import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** What the suite of `test/contract/` is called for each server that it is held against. */
const contractSuite = /^(?:.*> )?(?<server>[^>]*keeps the contract)(?: >|$)/

/**
 * Says on how many tests each queue service has kept the contract, and ends a run with the line that CI reads:
 * `N passed, N failed, N skipped`.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    const passedOn = new Map<string, number>()
    const flaky: string[] = []
    for (const module of modules) {
      if (module.errors().length > 0) count.failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state !== 'pending') count[state] += 1
        if (test.diagnostic()?.flaky) flaky.push(`${module.relativeModuleId}: ${test.fullName}`)
        const server = state === 'passed' ? serverOf(test) : undefined
        if (server !== undefined) passedOn.set(server, (passedOn.get(server) ?? 0) + 1)
      }
    }
    process.once('exit', () => {
      for (const name of flaky) process.stdout.write(`\npassed only at a later try: ${name}`)
      for (const [server, tests] of [...passedOn].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
        process.stdout.write(`\n${server}: ${tests} tests passed`)
      }
      const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
      process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`)
    })
  }
}

/** The names of the suites around the contract's own, such as `the real Zaqar, with Keystone keeps the contract`. */
function serverOf({ fullName }: TestCase): string | undefined {
  return contractSuite.exec(fullName)?.[0].replace(/ >$/, '').replaceAll(' > ', ', ')
}
