import { readFile } from 'node:fs/promises'
import { abortable } from '../abortable.ts'
import { createDispatcher } from '../network/create-dispatcher.ts'
import { type NetworkSettings, resolveNetwork } from '../network/network-options.ts'
import type { World } from '../world.ts'
import { authenticate, type Token } from './authenticate.ts'
import { findEndpoint } from './catalogue.ts'
import type { Cloud, EndpointInterface } from './cloud.ts'
import { CloudInvalidError, KeystoneRefusedError, KeystoneUnreachableError } from './errors.ts'

/** Somebody in a project of a cloud, for as long as it is wanted. All tokens come from here. */
export interface KeystoneSession extends AsyncDisposable {
  /**
   * The present token; a new one shortly before its end, and when `refused` is the present one. Callers at the same time
   * share one authentication; `signal` ends only the caller's own waiting.
   *
   * @throws {KeystoneError} see `authenticate`. A refusal is repeated for a while without asking Keystone again, which
   *   may lock accounts after too many wrong passwords.
   */
  getToken: (refused?: string, signal?: AbortSignal) => Promise<string>
  /** The project that tokens are for. @throws {KeystoneError} */
  getProjectId: (signal?: AbortSignal) => Promise<string>
  /** A service's URL by its type, such as `messaging`; under the cloud's own interface by default. @throws {KeystoneError} */
  findEndpoint: (
    type: string,
    options?: { interface?: EndpointInterface; signal?: AbortSignal },
  ) => Promise<string>
}

export interface KeystoneSessionOptions {
  /** From sending a request to the last byte of its answer, in milliseconds. Default 30 000. */
  requestTimeoutMs?: number
  /** Which proxies there are. Default: none. */
  network?: NetworkSettings
}

/** A token is renewed this long before its end, or at four fifths of its life if that is later, in milliseconds. */
const renewalMarginMs = 120_000

/** While the old token is still good, a failed renewal is not tried again sooner, in milliseconds. */
const renewalPauseMs = 5_000

/** So long a refusal is repeated without asking, in milliseconds. */
const refusalPauseMs = 30_000

interface HeldToken extends Token {
  renewAtMs: number
  endsAtMs: number
}

/**
 * Opens a session; nothing is sent yet.
 *
 * @throws {CloudInvalidError} the file with the certificate authority cannot be read.
 */
export async function openKeystoneSession(
  cloud: Cloud,
  world: Pick<World, 'sleep' | 'monotonicMs'>,
  { requestTimeoutMs = 30_000, network = resolveNetwork({}, {}) }: KeystoneSessionOptions = {},
): Promise<KeystoneSession> {
  const dispatcher = createDispatcher(new URL(cloud.authUrl), {
    settings: network,
    certificateAuthorities: await readAuthority(cloud.certificateAuthorityFile),
    connections: null,
  })
  let held: HeldToken | undefined
  let underWay: Promise<HeldToken> | undefined
  let refusal: { error: KeystoneRefusedError; untilMs: number } | undefined

  async function replaceToken(): Promise<HeldToken> {
    if (refusal && world.monotonicMs() < refusal.untilMs) throw refusal.error
    // Counted from before the request: it cannot have been issued earlier.
    const askedAtMs = world.monotonicMs()
    try {
      const token = await authenticate(cloud, { dispatcher, requestTimeoutMs }, world)
      refusal = undefined
      held = { ...token, ...lifeTimes(token.lifeMs, askedAtMs) }
      return held
    } catch (error) {
      if (error instanceof KeystoneRefusedError) {
        refusal = { error, untilMs: world.monotonicMs() + refusalPauseMs }
      }
      throw error
    }
  }

  function renew(): Promise<HeldToken> {
    underWay ??= replaceToken().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  async function present(refused: string | undefined, signal?: AbortSignal): Promise<HeldToken> {
    const now = world.monotonicMs()
    if (held && (held.value === refused || now >= held.endsAtMs)) held = undefined
    if (held && now < held.renewAtMs) return held
    const stillGood = held
    try {
      return await abortable(renew(), signal)
    } catch (error) {
      if (!stillGood || !(error instanceof KeystoneUnreachableError)) throw error
      stillGood.renewAtMs = world.monotonicMs() + renewalPauseMs
      return stillGood
    }
  }

  return {
    getToken: async (refused, signal) => (await present(refused, signal)).value,
    getProjectId: async (signal) => (await present(undefined, signal)).projectId,
    findEndpoint: async (type, options = {}) => {
      const { catalogue } = await present(undefined, options.signal)
      const { region, interface: usual } = cloud
      return findEndpoint(catalogue, { type, interface: options.interface ?? usual, region })
    },
    [Symbol.asyncDispose]: async () => {
      await dispatcher.destroy()
    },
  }
}

function lifeTimes(lifeMs: number, fromMs: number): { renewAtMs: number; endsAtMs: number } {
  return {
    renewAtMs: fromMs + Math.max(lifeMs - renewalMarginMs, lifeMs * 0.8),
    endsAtMs: fromMs + lifeMs,
  }
}

async function readAuthority(file: string | undefined): Promise<string[]> {
  if (file === undefined) return []
  try {
    return [await readFile(file, 'utf8')]
  } catch (cause) {
    throw new CloudInvalidError(`cannot read the certificate authority ${file}`, { cause })
  }
}
