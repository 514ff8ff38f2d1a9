import type { Answer } from '../api/api-connection.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'

/** Prints an answer of the API: untouched with `--json`, else as `format` puts it for people. */
export async function printAnswer<Value>(
  { stdout, world }: Terminal,
  { json }: { json: boolean },
  { value, text }: Answer<Value>,
  format: (value: Value, now: Date) => string,
): Promise<void> {
  await writeAll(stdout, json ? `${text}\n` : format(value, world.now()))
}

/** For what is done without an answer: a sentence for people, nothing with `--json`. */
export async function printDone(
  { stdout }: Terminal,
  { json }: { json: boolean },
  sentence: string,
): Promise<void> {
  if (!json) await writeAll(stdout, `${sentence}\n`)
}
