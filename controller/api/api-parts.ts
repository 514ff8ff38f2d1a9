import type { ContentStore } from '../contents/content-store.ts'
import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import type { Collectors } from '../replies/collectors.ts'

/** What the API's routes work with. */
export interface ApiParts {
  context: Context
  contents: ContentStore
  departures: Departures
  collectors: Collectors
  /** Queues were retired. */
  retireSoon: () => void
}
