import { Hello, type PublicKey, Welcome } from '../messages/enrolment.ts'
import type { Envelope, SealedMessage } from './envelope.ts'
import { SealBrokenError } from './errors.ts'
import { importKey, type Key } from './keys.ts'
import { readPayload, writePayload } from './parse-payload.ts'
import { sealToReader } from './reader-seal.ts'
import { openLetter, sealLetter } from './signed-letter.ts'

/** Signs a hello with the agent's own key and seals it to the cluster's enrolment key. */
export async function sealHello(
  hello: Hello,
  keys: { agentSigning: Key; enrolment: Key },
): Promise<Envelope> {
  return await sealLetter('sahara-hello', writePayload(Hello, hello), {
    signer: keys.agentSigning,
    reader: keys.enrolment,
  })
}

/**
 * Opens a hello and proves that its sender holds the signing key which it announces, and that its sealing key can be
 * sealed to: one that cannot would be found out only by the answer. Whether they may enrol is for the caller to judge.
 *
 * @throws {SealBrokenError | MessageVersionError | MessageMalformedError}
 */
export async function openHello(message: SealedMessage, enrolment: Key): Promise<Hello> {
  const payload = await openLetter(message, enrolment, async (unproved) => {
    const { signingKey, sealingKey } = readPayload(Hello, unproved)
    if (signingKey.crv !== 'Ed25519' || sealingKey.crv !== 'X25519') {
      throw new SealBrokenError('the hello announces keys of the wrong kind; drop the message')
    }
    if (!isWholeKey(signingKey.x)) {
      throw new SealBrokenError('the hello announces a key of another length; drop the message')
    }
    return await importKey(signingKey)
  })
  const hello = readPayload(Hello, payload)
  await trySealingTo(hello.sealingKey)
  return hello
}

/** A key of low order imports, but no secret can be agreed on with it (RFC 7748 section 6.1): only sealing shows it. */
async function trySealingTo(sealingKey: PublicKey): Promise<void> {
  if (!isWholeKey(sealingKey.x)) {
    throw new SealBrokenError(
      'the hello announces a sealing key of another length; drop the message',
    )
  }
  try {
    sealToReader(new Uint8Array(), { typ: 'sahara-welcome' }, await importKey(sealingKey))
  } catch (cause) {
    const problem = 'the hello announces a key that nothing can be sealed to; drop the message'
    throw new SealBrokenError(problem, { cause })
  }
}

/** Whether this is base64url of 256 bits, in its one spelling: a key's thumbprint is made of the text. */
function isWholeKey(x: string): boolean {
  const bytes = Buffer.from(x, 'base64url')
  return bytes.length === 32 && bytes.toString('base64url') === x
}

/** Signs the answer to a hello with the cluster's key and seals it to the agent that asked. */
export async function sealWelcome(
  welcome: Welcome,
  keys: { cluster: Key; agent: Key },
): Promise<Envelope> {
  return await sealLetter('sahara-welcome', writePayload(Welcome, welcome), {
    signer: keys.cluster,
    reader: keys.agent,
  })
}

/** Opens the answer to a hello; the caller compares its nonce with the hello's. */
export async function openWelcome(
  message: SealedMessage,
  keys: { cluster: Key; agent: Key },
): Promise<Welcome> {
  return readPayload(Welcome, await openLetter(message, keys.agent, async () => keys.cluster))
}
