import { z } from 'zod'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { CommandId } from '../options/command-id.ts'
import { formatCommand } from '../output/command-format.ts'
import { printAnswer } from '../output/print-answer.ts'

const Options = z.object({ ...connectionShape, id: CommandId })

export const defineCommandShow: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<id>', 'id of the command'))
    .addHelpText('after', examples('command show 0197c0de-0000-7000-8000-0000000000c1'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        await printAnswer(terminal, options, await api.getCommand(options.id), formatCommand)
        return 0
      }),
    )
}
