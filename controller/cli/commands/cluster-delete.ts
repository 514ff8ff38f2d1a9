import { z } from 'zod'
import { Name } from '../../../protocol/messages/wire-types.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { printDone } from '../output/print-answer.ts'

const Options = z.object({ ...connectionShape, cluster: Name })

export const defineClusterDelete: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<cluster>', 'its name or id'))
    .addHelpText(
      'after',
      '\nIts open commands end as cancelled or lost, and its queues are deleted: no instance of it can be reached again.',
    )
    .addHelpText('after', examples('cluster delete web'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        await api.deleteCluster(options.cluster)
        await printDone(terminal, options, `deleted the cluster ${options.cluster}`)
        return 0
      }),
    )
}
