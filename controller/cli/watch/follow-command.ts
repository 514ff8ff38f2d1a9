import type { z } from 'zod'
import type { OutputStream } from '../../../protocol/messages/replies.ts'
import type { World } from '../../../protocol/world.ts'
import type { CommandRecord, OutputLine } from '../../api/resources.ts'
import type { ApiClient } from '../api/api-client.ts'
import type { Answer } from '../api/api-connection.ts'
import { createPatience } from './patience.ts'

/** What following needs: a client that has answered before, the clock, and a way to stop. */
export interface Following {
  api: ApiClient
  world: World
  signal?: AbortSignal
}

export type OutputAnswer = Answer<z.output<typeof OutputLine>>

/** A command's output from `offset` on, until its end; goes on where it was when the controller comes back. */
export async function* followOutput(
  { api, world, signal }: Following,
  id: string,
  offset = 0,
): AsyncGenerator<OutputAnswer, void> {
  const patience = createPatience(world)
  for (let next = offset; ; ) {
    try {
      for await (const line of api.outputLines(id, { offset: next, follow: true, signal })) {
        patience.renew()
        next = line.value.offset + line.value.bytes.length
        yield line
      }
      return
    } catch (error) {
      await patience.bear(error, signal)
    }
  }
}

/** The bytes of one stream alone, until the command's end; goes on likewise. */
export async function* followBytes(
  { api, world, signal }: Following,
  id: string,
  stream: OutputStream,
  offset = 0,
): AsyncGenerator<Uint8Array, void> {
  const patience = createPatience(world)
  for (let next = offset; ; ) {
    try {
      const range = { offset: next, follow: true, signal }
      for await (const bytes of api.outputBytes(id, stream, range)) {
        patience.renew()
        next += bytes.length
        yield bytes
      }
      return
    } catch (error) {
      await patience.bear(error, signal)
    }
  }
}

/** Waits for a command's end, however long that takes. */
export async function followToEnd(
  { api, world, signal }: Following,
  id: string,
): Promise<Answer<CommandRecord>> {
  const patience = createPatience(world)
  for (;;) {
    try {
      const answer = await api.getCommand(id, { wait: true, ...(signal && { signal }) })
      patience.renew()
      if (answer.value.ended) return answer
    } catch (error) {
      await patience.bear(error, signal)
    }
  }
}
