import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { Socket } from 'node:net'
import { openLineChannel } from '../runner/line-channel.ts'
import { type FromChild, ToChild } from './as-user-protocol.ts'
import { explainFailure } from './operation-failure.ts'
import { readWholeFile } from './read-file.ts'
import { writeOnce } from './write-file.ts'

/**
 * Reads or writes one file with the rights of the user that this process runs as, for the agent, which speaks to it
 * over descriptor 3. Ends when the agent does.
 */
/** Resolved by the agent's next word. */
let leave = Promise.withResolvers<void>()
const gone = new AbortController()
const channel = openLineChannel(new Socket({ fd: 3 }), 64 * 1024, (json) => {
  void obey(ToChild.parse(json))
})
void channel.closed.then(() => gone.abort())

function say(word: FromChild): void {
  channel.send(word)
}

async function obey(word: ToChild): Promise<void> {
  if (word.kind === 'go-on') return leave.resolve()
  const path = word.kind === 'read' ? word.range.path : word.request.path
  try {
    await (word.kind === 'read' ? read(word) : write(word))
  } catch (error) {
    say({ kind: 'failed', reason: explainFailure(error, path) })
  }
  process.stdout.end()
  channel.finish()
}

async function askLeave(word: FromChild): Promise<void> {
  leave = Promise.withResolvers<void>()
  say(word)
  await Promise.race([leave.promise, once(gone.signal, 'abort')])
  gone.signal.throwIfAborted()
}

async function allow(path: string): Promise<void> {
  await askLeave({ kind: 'opened', path })
}

async function read({ range }: Extract<ToChild, { kind: 'read' }>): Promise<void> {
  const take = async (bytes: Uint8Array) => {
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain', { signal: gone.signal })
  }
  const { size } = await readWholeFile(range, take, gone.signal, allow)
  say({ kind: 'read', size })
}

async function write({ request, staged, hasContent }: Extract<ToChild, { kind: 'write' }>) {
  const record = async (file: NonNullable<typeof staged>) => {
    await askLeave({ kind: 'staged', staged: file })
  }
  const content = hasContent ? createReadStream('', { fd: 0 }) : []
  const journal = { staged, record }
  const answer = await writeOnce(request, blocks(content), { journal, allow, signal: gone.signal })
  say({ kind: 'written', answer })
}

async function* blocks(source: Iterable<unknown> | AsyncIterable<unknown>) {
  for await (const block of source) if (block instanceof Uint8Array) yield block
}
