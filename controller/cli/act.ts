import { Command } from 'commander'
import type { z } from 'zod'
import { inPlainWords } from '../../protocol/plain-words.ts'
import { UsageError } from './errors.ts'
import type { Terminal } from './terminal.ts'

/** One command of the CLI: says its options, and what is done with them. */
export type DefineCommand = (command: Command, act: Act) => void

/**
 * Makes an action for commander: options and arguments (under their camel-cased names) are parsed by `schema`, then
 * `perform` runs and says the exit code.
 */
export type Act = <Schema extends z.ZodType>(
  schema: Schema,
  perform: (options: z.output<Schema>, terminal: Terminal) => Promise<number>,
) => (...commanderArguments: unknown[]) => Promise<void>

export function createAct(terminal: Terminal, setExitCode: (exitCode: number) => void): Act {
  return (schema, perform) =>
    async (...commanderArguments) => {
      const command = commanderArguments.at(-1)
      if (!(command instanceof Command)) throw new TypeError('commander passes its command last')
      const parsed = schema.safeParse(readCommandLine(command), { error: inPlainWords })
      if (!parsed.success) throw new UsageError(describeIssue(command, parsed.error))
      setExitCode(await perform(parsed.data, terminal))
    }
}

function readCommandLine(command: Command): Record<string, unknown> {
  const written: Record<string, unknown> = { ...command.optsWithGlobals() }
  for (const [index, argument] of command.registeredArguments.entries()) {
    const value: unknown = command.processedArgs.at(index)
    if (value !== undefined) written[camelCase(argument.name())] = value
  }
  return written
}

/** Names the option or the argument as it is written on the command line. */
function describeIssue(command: Command, error: z.ZodError): string {
  const issue = error.issues.at(0)
  const key = String(issue?.path.at(0) ?? '')
  const argument = command.registeredArguments.find((known) => camelCase(known.name()) === key)
  const option = command.options.find((known) => known.attributeName() === key)
  const name = argument === undefined ? (option?.long ?? key) : `<${argument.name()}>`
  const what = issue?.message ?? 'is wrong'
  const program = command.parent?.parent
    ? `${command.parent.name()} ${command.name()}`
    : command.name()
  return `${name === '' ? '' : `${name}: `}${what}; see \`sahara-controller ${program} --help\``
}

function camelCase(name: string): string {
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}
