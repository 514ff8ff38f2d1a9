import { z } from 'zod'
import type { CommandRecord } from '../../api/resources.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import type { Answer } from '../api/api-connection.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { ControllerRefusedError } from '../errors.ts'
import { CommandId } from '../options/command-id.ts'
import { Duration } from '../options/duration.ts'
import { formatCommands } from '../output/command-format.ts'
import { printAnswer } from '../output/print-answer.ts'
import { reportError } from '../report-error.ts'

const Options = z.object({
  ...connectionShape,
  ids: z.array(CommandId).min(1),
  grace: z.exactOptional(Duration),
})

export const defineCommandCancel: DefineCommand = (command, act) => {
  command
    .argument('<ids...>', 'ids of commands')
    .option('--grace <duration>', 'between TERM and KILL to the whole process tree (default: 10s)')
  addConnectionOptions(command)
    .addHelpText('after', '\nDoes not wait for the end; `command wait` does.')
    .addHelpText(
      'after',
      examples('command cancel 0197c0de-0000-7000-8000-0000000000c1 --grace 30s'),
    )
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const body = options.grace === undefined ? {} : { graceSeconds: options.grace }
        const answers: Answer<CommandRecord>[] = []
        let exitCode = 0
        for (const id of options.ids) {
          try {
            answers.push(await api.cancelCommand(id, body))
          } catch (error) {
            // One that is gone keeps none of the others running.
            if (!(error instanceof ControllerRefusedError)) throw error
            exitCode = await reportError(error, terminal, options.json)
          }
        }
        const text = answers.map((answer) => answer.text).join('\n')
        const value = answers.map((answer) => answer.value)
        if (value.length > 0) await printAnswer(terminal, options, { value, text }, formatCommands)
        return exitCode
      }),
    )
}
