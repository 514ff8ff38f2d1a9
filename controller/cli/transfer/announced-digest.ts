import { z } from 'zod'
import type { CommandRecord } from '../../api/resources.ts'

const Answer = z.object({ size: z.int().optional(), sha256: z.string().optional() })

/** What the instance says about a file that it read or wrote; null where it does not say. */
export interface AnnouncedDigest {
  size: number | null
  sha256: string | null
}

/** Of a file that was written: the answer of `write` (protocol/messages/replies.ts). */
export function writtenDigest({ result }: CommandRecord): AnnouncedDigest {
  const answer = Answer.safeParse(result?.answer ?? {})
  return { size: answer.data?.size ?? null, sha256: answer.data?.sha256 ?? null }
}

/** Of the bytes that were read and sent: the digest of the whole stream. */
export function sentDigest(command: CommandRecord): AnnouncedDigest {
  const content = command.result?.streams.content
  return content === undefined
    ? writtenDigest(command)
    : { size: content.size, sha256: content.sha256 }
}
