import { BadRequestError, MessageTooLargeError } from './errors.ts'

/** What Zaqar takes in one POST unless its operator says otherwise (`max_messages_post_size`), in bytes. */
export const defaultPostLimitBytes = 262_144

/** A message that is to be posted. */
export interface NewMessage {
  /** Any JSON value. */
  body: unknown
  /** 60 to 1 209 600; the queue's default (3600) when absent. */
  ttlSeconds?: number | undefined
  /** 0 to 900; honoured only in queues with a non-zero `_default_message_delay`. */
  delaySeconds?: number | undefined
}

/** The body of one POST, written once and sent as it is. */
export interface Post {
  readonly json: string
  readonly messages: readonly NewMessage[]
}

const opening = '{"messages":['
const closing = ']}'
const frameBytes = opening.length + closing.length

/**
 * Groups messages, in order, into as few POSTs as their order allows, each at most `limitBytes` long.
 *
 * @param fullBytes what a POST is filled up to, where that is less; one message alone may be larger.
 * @throws {MessageTooLargeError} one message alone is over the limit; nothing has been sent.
 * @throws {BadRequestError} a body is no JSON value.
 */
export function splitIntoPosts(
  messages: readonly NewMessage[],
  limitBytes: number = defaultPostLimitBytes,
  fullBytes: number = limitBytes,
): Post[] {
  const posts: Post[] = []
  let group: { message: NewMessage; entry: string }[] = []
  let groupBytes = frameBytes
  for (const [index, message] of messages.entries()) {
    const entry = writeEntry(message)
    const entryBytes = Buffer.byteLength(entry)
    requireFit(index, frameBytes + entryBytes, limitBytes)
    if (group.length > 0 && groupBytes + 1 + entryBytes > fullBytes) {
      posts.push(writePost(group))
      group = []
      groupBytes = frameBytes
    }
    groupBytes += entryBytes + (group.length > 0 ? 1 : 0)
    group.push({ message, entry })
  }
  if (group.length > 0) posts.push(writePost(group))
  return posts
}

function writePost(group: readonly { message: NewMessage; entry: string }[]): Post {
  return {
    json: opening + group.map(({ entry }) => entry).join(',') + closing,
    messages: group.map(({ message }) => message),
  }
}

function writeEntry({ body, ttlSeconds, delaySeconds }: NewMessage): string {
  // `undefined` and functions would vanish from the JSON, and Zaqar would miss the body.
  if (body === undefined || typeof body === 'function' || typeof body === 'symbol') {
    throw new BadRequestError('post a message', `its body is of type ${typeof body}, not JSON`)
  }
  return JSON.stringify({ body, ttl: ttlSeconds, delay: delaySeconds })
}

function requireFit(index: number, bytes: number, limitBytes: number): void {
  if (bytes <= limitBytes) return
  throw new MessageTooLargeError(
    `post message ${index}`,
    `a POST of it alone has ${bytes} bytes, at most ${limitBytes} are taken`,
  )
}
