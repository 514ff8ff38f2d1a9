import type { CommandRecord } from '../../api/resources.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import type { View } from './watch-commands.ts'

/**
 * For programs: one JSON document per line. `output` and `ended` hold what the API said, untouched; beside them stands
 * only what tells the lines of several commands apart.
 */
export function createJsonView({ stdout }: Terminal): View {
  return {
    showOutput: async ({ id, instance }: CommandRecord, { text }) => {
      const place = JSON.stringify({ type: 'output', id, instance }).slice(0, -1)
      await writeAll(stdout, `${place},"output":${text}}\n`)
    },
    showEnd: async ({ text }) => {
      await writeAll(stdout, `{"type":"ended","command":${text}}\n`)
    },
  }
}
