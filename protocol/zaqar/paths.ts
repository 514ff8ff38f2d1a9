import { z } from 'zod'
import { BadRequestError } from './errors.ts'

/**
 * Names that are safe in signed paths: Zaqar also takes dots, but matches signed paths as regular
 * expressions, in which a dot is any character.
 */
const queueNamePattern = /^[A-Za-z0-9_-]{1,64}$/

/** An id as a server gives it; nothing in it can climb out of the path that we build with it. */
export const ServerId = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/)

/**
 * The path of a queue, or of something in it.
 *
 * @throws {BadRequestError} the name or an id has characters that do not belong in one.
 */
export function queuePath(queue: string, ...segments: readonly string[]): string {
  if (!queueNamePattern.test(queue)) {
    const shown = JSON.stringify(queue.slice(0, 80))
    throw new BadRequestError(`use a queue named ${shown}`, `a name is ${queueNamePattern.source}`)
  }
  for (const segment of segments) requireId(segment)
  return ['/v2/queues', queue, ...segments].join('/')
}

/** A path with its query; parameters that are `undefined` are left out. */
export function withQuery(
  path: string,
  parameters: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const pairs = Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`)
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

/** `?ids=a,b`. The commas stay as they are: Zaqar's framework splits lists before it decodes them. */
export function withIds(path: string, ids: readonly string[]): string {
  for (const id of ids) requireId(id)
  return `${path}?ids=${ids.join(',')}`
}

/** What follows `/messages/` or `/claims/` in a `Location` or an href, which may or may not have a host. */
export function idInHref(href: string, collection: 'messages' | 'claims'): string | undefined {
  const segments = parseHref(href)?.pathname.split('/') ?? []
  return asId(segments[segments.lastIndexOf(collection) + 1])
}

/** The id of the claim which holds the message that an href leads to. */
export function claimIdInHref(href: string): string | undefined {
  return asId(parseHref(href)?.searchParams.get('claim_id'))
}

/** Where the next page starts. Only the marker is taken from a link; the rest of the request stays ours. */
export function markerInHref(href: string): string | undefined {
  return parseHref(href)?.searchParams.get('marker') ?? undefined
}

function parseHref(href: string): URL | null {
  // Hrefs are path-only; the base only makes them parse.
  return URL.parse(href, 'http://path-only.invalid')
}

function asId(text: string | null | undefined): string | undefined {
  return ServerId.safeParse(text).data
}

function requireId(id: string): void {
  if (!ServerId.safeParse(id).success) {
    throw new BadRequestError('use an id of a message or a claim', 'it has characters of no id')
  }
}
