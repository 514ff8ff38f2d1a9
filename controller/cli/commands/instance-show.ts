import { z } from 'zod'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { OneInstance } from '../options/target.ts'
import { formatInstance } from '../output/instance-format.ts'
import { printAnswer } from '../output/print-answer.ts'

const Options = z.object({ ...connectionShape, instance: OneInstance })

export const defineInstanceShow: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<instance>', 'CLUSTER/INSTANCE'))
    .addHelpText('after', examples('instance show web/worker-1'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const answer = await api.getInstance(options.instance)
        await printAnswer(terminal, options, answer, formatInstance)
        return 0
      }),
    )
}
