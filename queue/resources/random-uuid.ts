import type { World } from '../../protocol/world.ts'

/**
 * A UUID of version 7 (RFC 9562, 5.7) with 74 bits of the world's strong randomness: a claim's id is a bearer secret.
 * It begins with the time, so that the database finds and adds young ones in the same few pages.
 */
export function randomUuid(world: World): string {
  const bytes = Buffer.from(world.randomBytes(16))
  bytes.writeUIntBE(world.now().getTime(), 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
