import { z } from 'zod'
import { Name } from '../../../protocol/messages/wire-types.ts'
import { CommandState } from '../../api/resources.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { formatCommands } from '../output/command-format.ts'
import { printAnswer } from '../output/print-answer.ts'

const Options = z.object({
  ...connectionShape,
  cluster: z.exactOptional(Name),
  instance: z.exactOptional(Name),
  state: z.exactOptional(
    z.enum(CommandState.options, { error: `one of ${CommandState.options.join(', ')}` }),
  ),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, 'use a number above 0')
    .default('50')
    .transform(Number),
  before: z.exactOptional(z.uuid('use the id of a command')),
})

export const defineCommandList: DefineCommand = (command, act) => {
  command
    .option('--cluster <cluster>', 'only those of this cluster')
    .option('--instance <instance>', 'only those of this instance of it')
    .option('--state <state>', `one of ${CommandState.options.join(', ')}`)
    .option('--limit <n>', 'at most so many (default: 50)')
    .option('--before <id>', 'only those older than this one, to read on')
  addConnectionOptions(command)
    .addHelpText(
      'after',
      examples('command list', 'command list --cluster web --instance worker-1 --state failed'),
    )
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const { cluster, instance, state, limit, before } = options
        const answer = await api.listCommands({ cluster, instance, state, limit, before })
        await printAnswer(terminal, options, answer, ({ commands }, now) =>
          formatCommands(commands, now),
        )
        return 0
      }),
    )
}
