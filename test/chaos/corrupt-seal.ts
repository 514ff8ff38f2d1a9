import type { IncomingHttpHeaders } from 'node:http'

/** A POST of messages in which each seal has one other character, at the same share of its length. */
export function corruptSeal(
  { headers, body }: { headers: IncomingHttpHeaders; body: Buffer },
  share: number,
): { headers: IncomingHttpHeaders; body: Buffer } {
  const text = body.toString().replaceAll(/"sealed":"([^"]+)"/g, (_, sealed: string) => {
    const at = Math.floor(share * sealed.length)
    const other = sealed[at] === 'A' ? 'B' : 'A'
    return `"sealed":"${sealed.slice(0, at)}${other}${sealed.slice(at + 1)}"`
  })
  const corrupted = Buffer.from(text)
  return {
    headers: { ...headers, 'content-length': String(corrupted.length) },
    body: corrupted,
  }
}
