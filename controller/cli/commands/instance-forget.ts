import { z } from 'zod'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { OneInstance } from '../options/target.ts'
import { printDone } from '../output/print-answer.ts'

const Options = z.object({ ...connectionShape, instance: OneInstance })

export const defineInstanceForget: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<instance>', 'CLUSTER/INSTANCE'))
    .addHelpText(
      'after',
      '\nRevokes it: its queue is retired, and what still arrives under its name is ignored.',
    )
    .addHelpText('after', examples('instance forget web/worker-1'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        await api.forgetInstance(options.instance)
        const { cluster, instance } = options.instance
        await printDone(terminal, options, `forgot the instance ${cluster}/${instance}`)
        return 0
      }),
    )
}
