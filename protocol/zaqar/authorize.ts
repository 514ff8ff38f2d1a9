import type { SignedUrl } from '../signed-url/signed-url.ts'

/** How a request proves its right. */
export type Auth =
  | {
      kind: 'token'
      /**
       * A Keystone token, from a cache. After a 401 it is called once more with the token that was refused,
       * and should then get a new one.
       */
      getToken: (previousRefused?: string, signal?: AbortSignal) => Promise<string>
    }
  | { kind: 'signed'; url: SignedUrl }
  | { kind: 'none' }

/** The headers of one attempt, and what in them must never be shown. */
export interface Credentials {
  headers: Record<string, string>
  secrets: readonly string[]
  /** Set when a signed URL was used. */
  signedUrl?: SignedUrl
  /** Set when a token was used. */
  token?: string
}

/** Makes the credentials of one attempt; `refusedToken` is the one that has just got a 401. */
export async function authorize(
  auth: Auth,
  projectId: string,
  { refusedToken, signal }: { refusedToken?: string; signal?: AbortSignal | undefined } = {},
): Promise<Credentials> {
  switch (auth.kind) {
    case 'none':
      return { headers: { 'X-Project-Id': projectId }, secrets: [] }
    case 'signed':
      return signedCredentials(auth.url)
    case 'token': {
      const token = await auth.getToken(refusedToken, signal)
      const headers = { 'X-Project-Id': projectId, 'X-Auth-Token': token }
      return { headers, secrets: [token], token }
    }
  }
}

/** The lists are joined without spaces, and the project is the signed one: the signature covers both. */
function signedCredentials(url: SignedUrl): Credentials {
  return {
    headers: {
      'X-Project-Id': url.project,
      'URL-Signature': url.signature,
      'URL-Expires': url.expires,
      'URL-Methods': url.methods.join(','),
      'URL-Paths': url.paths.join(','),
    },
    secrets: [url.signature],
    signedUrl: url,
  }
}
