import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import type { Act } from './act.ts'
import { createAct } from './act.ts'
import type { CatalogueEntry } from './catalogue.ts'
import { catalogue } from './catalogue.ts'
import { addConnectionOptions } from './connection-options.ts'
import { UsageError } from './errors.ts'
import { exitCodeHelp } from './exit-code.ts'
import { reportError } from './report-error.ts'
import type { Terminal } from './terminal.ts'

/** Runs one command line to its end. Never rejects: what goes wrong was told on stderr. @returns the exit code. */
export async function runProgram(argv: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0
  const act = createAct(terminal, (code) => {
    exitCode = code
  })
  try {
    const program = await buildProgram(argv, terminal, act)
    await program.parseAsync(withoutHelpCommand(program, argv), { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const json = wantsJson(argv)
    if (!(error instanceof CommanderError)) return await reportError(error, terminal, json)
    // Without a subcommand commander has shown the help already.
    if (error.code === 'commander.help') return 2
    const message = error.message.replace(/^error: /, '').replace(/\n\(/, ' (')
    return await reportError(new UsageError(`${message}${hint(error, argv)}`), terminal, json)
  }
}

async function buildProgram(
  argv: readonly string[],
  { stdout, stderr }: Terminal,
  act: Act,
): Promise<Command> {
  const program = new Command('sahara-controller')
    .description('Runs commands on instances that nobody can log in to.')
    .version(packageJson.version)
    // What stands behind the name of a subcommand, and behind `--`, belongs to it.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // Reported by `runProgram`, which knows about --json.
      outputError: () => {},
    })
    .addHelpText('after', exitCodeHelp)
  addConnectionOptions(program)
  await defineCommands(program, catalogue, { argv, act })
  return program
}

/** Loads only the commands that the command line names: a start then costs no more than what it needs. */
async function defineCommands(
  parent: Command,
  entries: readonly CatalogueEntry[],
  context: { argv: readonly string[]; act: Act },
): Promise<void> {
  for (const entry of entries) {
    const command = parent.command(entry.name).description(entry.summary)
    if ('commands' in entry) {
      await defineCommands(command, entry.commands, context)
    } else if (context.argv.includes(entry.name)) {
      const define = await entry.load()
      define(command, context.act)
    }
  }
}

/**
 * `help cluster show` as `cluster show --help`. Of a command that there is not, commander's own `help` shows the general help; here
 * the name itself is parsed, which says so.
 */
function withoutHelpCommand(program: Command, argv: readonly string[]): string[] {
  const [first, ...names] = argv
  if (first !== 'help' || names.length === 0) return [...argv]
  const known: string[] = []
  let command = program
  for (const name of names) {
    if (command.commands.length === 0 || name.startsWith('-')) break
    const next = command.commands.find((candidate) => candidate.name() === name)
    if (next === undefined) return [...known, name]
    known.push(name)
    command = next
  }
  return [...known, '--help']
}

function hint({ code, message }: CommanderError, argv: readonly string[]): string {
  if (message.includes('Did you mean')) return ''
  if (code === 'commander.unknownCommand') return '; see --help'
  if (code !== 'commander.unknownOption') return ''
  return argv.includes('run') ? '; options of a command to run go behind `--`' : '; see --help'
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end === -1 ? undefined : end).includes('--json')
}
