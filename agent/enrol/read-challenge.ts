import { Agent } from 'undici'
import { z } from 'zod'
import { challengeKey } from '../../protocol/messages/enrolment.ts'
import { Bytes } from '../../protocol/messages/wire-types.ts'
import type { World } from '../../protocol/world.ts'
import type { Log } from '../log.ts'

/** What became of the look into the server's metadata. */
export type ChallengeReading =
  | { kind: 'found'; challenge: z.output<typeof Bytes> }
  | { kind: 'missing'; why: string }

const timeoutMs = 10_000
/** A server has at most 128 entries of 255 characters, and some keys and disks. */
const limitBytes = 1024 * 1024

const MetaData = z.looseObject({
  meta: z.looseObject({ [challengeKey]: z.exactOptional(Bytes) }).default({}),
})

/** How often the same lack is mentioned, in milliseconds. */
const mentionMs = 60_000

/** Makes the look for this instance's challenge, which says what is wrong when that changes, and once a minute. */
export function createChallengeReader(
  metadataUrl: string,
  { world, log }: { world: World; log: Log },
): (signal: AbortSignal) => Promise<ChallengeReading> {
  let mentioned = { why: '', atMs: Number.NEGATIVE_INFINITY }
  return async (signal) => {
    const reading = await readChallenge(metadataUrl, signal)
    if (reading.kind === 'found') return reading
    const atMs = world.monotonicMs()
    if (reading.why === mentioned.why && atMs - mentioned.atMs < mentionMs) return reading
    mentioned = { why: reading.why, atMs }
    const message = `waiting for this server's challenge in its metadata: ${reading.why}`
    log.warn({ metadataUrl, onConsole: true }, message)
    return reading
  }
}

/**
 * Reads this instance's challenge from Nova's metadata service, which shows each server its own metadata only. Not from a
 * config drive: that is as old as the boot. Never by way of a proxy, and nowhere but where it was sent.
 *
 * @throws the signal's reason.
 */
async function readChallenge(metadataUrl: string, signal: AbortSignal): Promise<ChallengeReading> {
  const limits = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connectTimeout: timeoutMs }
  const dispatcher = new Agent({ ...limits, maxResponseSize: limitBytes })
  const url = new URL('/openstack/latest/meta_data.json', metadataUrl)
  try {
    const { origin, pathname: path } = url
    const answer = await dispatcher.request({ origin, path, method: 'GET', signal })
    if (answer.statusCode !== 200) {
      await answer.body.dump()
      return missing(`the metadata service answers ${answer.statusCode}`)
    }
    const read = MetaData.safeParse(await answer.body.json())
    if (!read.success) return missing('what the metadata service answers cannot be read')
    const challenge = read.data.meta[challengeKey]
    return challenge === undefined
      ? missing(`there is no "${challengeKey}" in it yet`)
      : { kind: 'found', challenge }
  } catch (error) {
    signal.throwIfAborted()
    return missing(`the metadata service does not answer: ${String(error)}`)
  } finally {
    await dispatcher.destroy()
  }
}

function missing(why: string): ChallengeReading {
  return { kind: 'missing', why }
}
