import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { ApiUnauthorizedError } from '../errors.ts'
import { readSecretFile } from '../read-secret-file.ts'

/** Shorter ones could be guessed. */
const shortestToken = 32

/**
 * Makes the check that a request shows the file's token. Digests are compared, in constant time, so that neither the
 * token's text nor its length shows in how long it takes.
 *
 * @throws {ConfigInvalidError} the file cannot be read, others may read it, or the token is too short.
 */
export async function requireToken(tokenFile: string): Promise<(request: FastifyRequest) => void> {
  const expected = digest(await readSecretFile('listen.tokenFile', tokenFile, shortestToken))
  return ({ headers }) => {
    const shown = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.at(1)
    if (shown !== undefined && timingSafeEqual(digest(shown), expected)) return
    throw new ApiUnauthorizedError(
      shown === undefined
        ? 'the request shows no token; send the header "Authorization: Bearer TOKEN" with the API token'
        : 'the request shows a token that is not the API token; send the one in the file of `listen.tokenFile`',
    )
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
