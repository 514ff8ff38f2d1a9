import { createRequire } from 'node:module'
import type { Plugin } from 'rolldown'

/** What our programs in a guest use of undici, and where it lies in its package. All else of it stays out of the bundle. */
const parts = {
  Agent: 'lib/dispatcher/agent.js',
  ProxyAgent: 'lib/dispatcher/proxy-agent.js',
  errors: 'lib/core/errors.js',
} as const satisfies Record<string, string>

const name = '\0undici-parts'

/**
 * Gives the bundle only the `parts` of undici. Its front door loads everything at once (fetch, WebSocket, caches, mocks),
 * which costs each start of the agent some 40 ms of the processor, and 3 MiB. Using another part breaks the build by name.
 */
export function undiciParts(): Plugin {
  return {
    name: 'undici-parts',
    resolveId: (id) => (id === 'undici' ? name : null),
    load: (id) => (id === name ? frontDoor() : null),
  }
}

/** As undici's index.js puts them together. */
function frontDoor(): string {
  const require = createRequire(import.meta.url)
  const from = (path: string) => JSON.stringify(require.resolve(`undici/${path}`))
  return [
    `import Dispatcher from ${from('lib/dispatcher/dispatcher.js')}`,
    `import api from ${from('lib/api/index.js')}`,
    'Object.assign(Dispatcher.prototype, api)',
    ...Object.entries(parts).map(
      ([part, path]) => `export { default as ${part} } from ${from(path)}`,
    ),
    '',
  ].join('\n')
}
