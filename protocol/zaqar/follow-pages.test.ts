import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { followPages } from './follow-pages.ts'

const identity = (item: string) => item

/** Pages a list as stock Zaqar does: the next marker is the page's last id, also on the last full page. */
function pageOf(items: readonly string[], marker: string | undefined, size: number) {
  const start = marker === undefined ? 0 : items.indexOf(marker)
  // An unknown marker, and the first one's, start again at the beginning.
  const from = start <= 0 ? 0 : start + 1
  const page = items.slice(from, from + size)
  return { items: page, nextMarker: page.at(-1) }
}

describe('a listing that is read page by page', () => {
  test('comes whole, in order, each item once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(50), fc.integer({ min: 2, max: 20 }), async (count, size) => {
        const items = Array.from({ length: count }, (_, index) => `m${index}`)
        const pages = followPages(async (marker) => pageOf(items, marker, size), identity)
        expect(await Array.fromAsync(pages)).toEqual(items)
      }),
    )
  })

  test('goes on behind a marker that was deleted, without repeating what it had', async () => {
    let items = Array.from({ length: 50 }, (_, index) => `m${index}`)
    const pages = followPages(async (marker) => {
      if (marker === 'm29') items = items.filter((item) => item !== 'm29')
      return pageOf(items, marker, 5)
    }, identity)
    expect(await Array.fromAsync(pages)).toHaveLength(50)
  })

  test('ends when the server leads it in a circle', async () => {
    let reads = 0
    const pages = followPages(async () => {
      reads += 1
      return { items: ['a', 'b'], nextMarker: `${reads % 3}` }
    }, identity)
    expect(await Array.fromAsync(pages)).toEqual(['a', 'b'])
    expect(reads).toBeLessThan(30)
  })
})
