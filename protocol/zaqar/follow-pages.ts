/** One page of a listing. */
export interface Page<Item> {
  items: Item[]
  /** Where the next page starts; `undefined` at the end. */
  nextMarker: string | undefined
}

/** How many ids are remembered to leave out repetitions; the oldest are forgotten first. */
const rememberedIds = 65_536

/** Pages in a row without anything new that are read beyond those which a restart must repeat. */
const patiencePages = 16

/**
 * Reads a listing to its end, each item once. Zaqar starts again at the beginning when a marker's message
 * has been deleted, and answers the first message's marker with the first message: repetitions are left out,
 * and a listing that only repeats itself ends.
 */
export async function* followPages<Item>(
  readPage: (marker: string | undefined) => Promise<Page<Item>>,
  idOf: (item: Item) => string,
): AsyncGenerator<Item, void, undefined> {
  const seen = new Set<string>()
  let marker: string | undefined
  let freshPages = 0
  let stalePages = 0
  do {
    const page = await readPage(marker)
    const fresh = page.items.filter((item) => remember(seen, idOf(item)))
    yield* fresh
    if (fresh.length > 0) {
      freshPages += 1
      stalePages = 0
    } else {
      stalePages += 1
    }
    if (page.nextMarker === marker || stalePages > freshPages + patiencePages) return
    marker = page.nextMarker
  } while (marker !== undefined)
}

/** Whether the id is new. */
function remember(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false
  seen.add(id)
  if (seen.size > rememberedIds) {
    const [oldest] = seen
    if (oldest !== undefined) seen.delete(oldest)
  }
  return true
}
