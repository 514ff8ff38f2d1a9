import { Hello, Welcome } from '../messages/enrolment.ts'
import type { Envelope, SealedMessage } from './envelope.ts'
import { SealBrokenError } from './errors.ts'
import { importKey, type Key } from './keys.ts'
import { readPayload, writePayload } from './parse-payload.ts'
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
 * Opens a hello and proves that its sender holds the signing key which it announces. Whether that key may enrol is for
 * the caller to judge.
 *
 * @throws {SealBrokenError | MessageVersionError | MessageMalformedError}
 */
export async function openHello(message: SealedMessage, enrolment: Key): Promise<Hello> {
  const payload = await openLetter(message, enrolment, async (unproved) => {
    const { signingKey, sealingKey } = readPayload(Hello, unproved)
    if (signingKey.crv !== 'Ed25519' || sealingKey.crv !== 'X25519') {
      throw new SealBrokenError('the hello announces keys of the wrong kind; drop the message')
    }
    return await importKey(signingKey)
  })
  return readPayload(Hello, payload)
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
