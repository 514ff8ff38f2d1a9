import { z } from 'zod'
import { readEnvelope } from '../../protocol/sealing/envelope.ts'
import type { Passing } from './gate-proxy.ts'

const Posted = z.looseObject({ messages: z.array(z.looseObject({ body: z.unknown() })) })

/** What a POST of messages carries: the kind of each reply (`result`), or the type of any other message (`sahara-command`). */
export function kindsIn({ body, path }: Passing): string[] {
  if (!path.endsWith('/messages') || body === '') return []
  return Posted.parse(JSON.parse(body)).messages.map((message) => {
    const { type, header } = readEnvelope(message.body)
    return type === 'sahara-reply' ? String(header['kind']) : type
  })
}
