import { styleText } from 'node:util'
import type { OutputStream } from '../../../protocol/messages/replies.ts'
import type { CommandRecord } from '../../api/resources.ts'
import { describeEnd } from '../output/describe-command.ts'
import type { LinePrefixer } from '../output/line-prefixer.ts'
import { createLinePrefixer } from '../output/line-prefixer.ts'
import { printable } from '../output/printable.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'
import type { View } from './watch-commands.ts'

/**
 * For people: the bytes as they are for one command; for several, whole lines behind the instance's name. A failure that
 * no program has told of itself gets a line on stderr, and so does every failure of several.
 */
export function createTerminalView(terminal: Terminal, commands: readonly CommandRecord[]): View {
  return commands.length === 1 ? singleView(terminal) : prefixedView(terminal, commands)
}

function singleView(terminal: Terminal): View {
  return {
    showOutput: async (_, { value: { stream, bytes } }) => {
      await writeAll(streamOf(terminal, stream), bytes)
    },
    showEnd: async ({ value: command }) => {
      await tellEnd(terminal, command, !hasToldItself(command))
    },
  }
}

/** As with ssh, a program that failed has told so itself; not so one that never began, or that the agent ended (`reason`). */
function hasToldItself({ state, result }: CommandRecord): boolean {
  const { exitCode, signal, reason } = result ?? {}
  return (
    state === 'failed' && reason === undefined && (exitCode !== undefined || signal !== undefined)
  )
}

function prefixedView(terminal: Terminal, commands: readonly CommandRecord[]): View {
  const prefixers = createPrefixers(terminal, commands)
  return {
    showOutput: async ({ id }, { value: { stream, bytes } }) => {
      const shown = prefixers.get(id)?.[stream].push(bytes)
      if (shown !== undefined) await writeAll(streamOf(terminal, stream), shown)
    },
    showEnd: async ({ value: command }) => {
      const held = prefixers.get(command.id)
      if (held !== undefined) {
        await writeAll(terminal.stdout, held.stdout.end())
        await writeAll(terminal.stdout, held.content.end())
        await writeAll(terminal.stderr, held.stderr.end())
      }
      await tellEnd(terminal, command, true)
    },
  }
}

const colours = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'red'] as const

/** One for each command and stream, since each may stand in the middle of a line. */
function createPrefixers(
  terminal: Terminal,
  commands: readonly CommandRecord[],
): Map<string, Record<OutputStream, LinePrefixer>> {
  const width = Math.max(...commands.map(({ instance }) => instance.length))
  return new Map(
    commands.map(({ id, instance }, index) => {
      const create = (stream: Terminal['stdout']) =>
        createLinePrefixer(
          styleText(colours[index % colours.length] ?? 'cyan', `${instance.padEnd(width)} |`, {
            stream,
          }).concat(' '),
        )
      const { stdout, stderr } = terminal
      return [id, { stdout: create(stdout), stderr: create(stderr), content: create(stdout) }]
    }),
  )
}

async function tellEnd(
  { stderr }: Terminal,
  command: CommandRecord,
  tellFailure: boolean,
): Promise<void> {
  const lines: string[] = []
  if (command.state !== 'succeeded' && tellFailure) {
    lines.push(`${describeEnd(command)} (command ${command.id})`)
  }
  if (!command.outputComplete) {
    lines.push(`some output is missing: ${command.outputBytes} bytes came (command ${command.id})`)
  }
  for (const [stream, kept] of Object.entries(command.result?.streams ?? {})) {
    if (kept.droppedBytes > 0) {
      lines.push(`${kept.droppedBytes} bytes of ${stream} were not kept (command ${command.id})`)
    }
  }
  for (const line of lines) await writeAll(stderr, `${command.instance}: ${printable(line)}\n`)
}

function streamOf({ stdout, stderr }: Terminal, stream: OutputStream): Terminal['stdout'] {
  return stream === 'stderr' ? stderr : stdout
}
