import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { realWorld } from '../../protocol/real-world.ts'
import type { SignedUrl } from '../../protocol/signed-url/signed-url.ts'
import type { Auth } from '../../protocol/zaqar/authorize.ts'
import {
  createZaqarClient,
  type ZaqarClient,
  type ZaqarClientOptions,
} from '../../protocol/zaqar/zaqar-client.ts'

/** A queue service that the contract is held against. */
export interface ContractServer extends AsyncDisposable {
  endpoint: string
  projectId: string
  /** What an operator uses. */
  auth: Auth
  /** The key that its signed URLs are signed with. */
  secretKey: string
  /** Whether it holds requests that say `Prefer: wait`. */
  isLongPolling: boolean
  /** Moves its clock; absent where nobody can. */
  advance?: (ms: number) => Promise<void>
}

/** What the tests of one server share. */
export interface Contract {
  server: () => ContractServer
  /** An operator's client; it lives as long as the server. */
  client: () => ZaqarClient
}

/** A name that no other test has. */
export function newQueue(): string {
  return `contract-${randomUUID()}`
}

/** Another client of the same server, with a Client-ID of its own. */
export function connect(
  server: ContractServer,
  options: Partial<ZaqarClientOptions> = {},
): ZaqarClient {
  const { endpoint, projectId, auth } = server
  return createZaqarClient(
    { endpoint, projectId, auth, clientId: randomUUID(), ...options },
    realWorld(),
  )
}

/** A client that has nothing but a signed URL. */
export function connectSigned(server: ContractServer, url: SignedUrl): ZaqarClient {
  return connect(server, { auth: { kind: 'signed', url } })
}

/** Expects a refusal by its code, and tells what came instead. */
export async function expectCode(promise: Promise<unknown>, code: string): Promise<void> {
  await expect(promise).rejects.toMatchObject({ code })
}
