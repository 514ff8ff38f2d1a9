import type { World } from '../protocol/world.ts'

/**
 * A UUIDv7: ordered by its time, with 74 random bits.
 *
 * @see RFC 9562 section 5.7
 */
export function uuidV7({ now, randomBytes }: Pick<World, 'now' | 'randomBytes'>): string {
  const bytes = Buffer.from(randomBytes(16))
  bytes.writeUIntBE(now().getTime(), 0, 6)
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
  const hex = bytes.toString('hex')
  const parts = [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ] as const
  return parts.map(([from, to]) => hex.slice(from, to)).join('-')
}

/**
 * The name of a new queue: a letter for its kind (command, return, lobby) and 128 random bits, its generation. All
 * names have one length, so that no signed path matches another.
 */
export function newQueueName(
  kind: 'c' | 'r' | 'l',
  { randomBytes }: Pick<World, 'randomBytes'>,
): string {
  return `sa-${kind}-${Buffer.from(randomBytes(16)).toString('hex')}`
}
