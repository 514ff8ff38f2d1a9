import { z } from 'zod'
import { Refusal } from '../http/api-reply.ts'
import type { Metadata } from '../store/metadata.ts'

const path = z.string().regex(/^\/metadata\/[^/]+$/, 'must be /metadata/KEY')

/** The part of JSON Patch (RFC 6902) that Zaqar knows. */
export const MetadataPatch = z
  .array(
    z.discriminatedUnion('op', [
      z.object({ op: z.literal('add'), path, value: z.unknown() }),
      z.object({ op: z.literal('replace'), path, value: z.unknown() }),
      z.object({ op: z.literal('remove'), path }),
    ]),
  )
  .min(1)
export type MetadataPatch = z.output<typeof MetadataPatch>

/**
 * Applies the changes in order. A reserved key is always there, with its default; removing it brings
 * the default back.
 *
 * @throws {Refusal} 409: a key that is not there cannot be replaced or removed.
 */
export function patchMetadata(
  metadata: Metadata,
  changes: MetadataPatch,
  reserved: Metadata,
): Metadata {
  const patched = new Map(Object.entries(metadata))
  for (const change of changes) {
    const key = unescape(change.path.slice('/metadata/'.length))
    if (change.op !== 'add' && !patched.has(key) && !Object.hasOwn(reserved, key)) {
      throw new Refusal(
        409,
        'Resource conflict',
        `Can't ${change.op} the non-existent key "${key}".`,
      )
    }
    if (change.op === 'remove') patched.delete(key)
    else patched.set(key, change.value ?? null)
  }
  return Object.fromEntries(patched)
}

/** RFC 6901, section 4. */
function unescape(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~')
}
