import { z } from 'zod'

/** `KEY=VALUE` as often as wanted; a later one wins. `KEY` alone is refused, so that no secret leaks in by accident. */
export const EnvironmentPairs = z.array(z.string()).transform((pairs, context) => {
  const variables = new Map<string, string>()
  for (const pair of pairs) {
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(pair) ?? []
    if (name === undefined || value === undefined || value.includes('\0')) {
      // The value may be a secret: only what stands before the first `=` is quoted.
      context.addIssue(`${JSON.stringify(pair.split('=', 1).join())} is no KEY=VALUE`)
      return z.NEVER
    }
    variables.set(name, value)
  }
  return Object.fromEntries(variables)
})
