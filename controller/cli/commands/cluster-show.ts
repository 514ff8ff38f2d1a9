import { z } from 'zod'
import { Name } from '../../../protocol/messages/wire-types.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { formatCluster } from '../output/cluster-format.ts'
import { printAnswer } from '../output/print-answer.ts'

const Options = z.object({ ...connectionShape, cluster: Name })

export const defineClusterShow: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<cluster>', 'its name or id'))
    .addHelpText('after', examples('cluster show web'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        await printAnswer(terminal, options, await api.getCluster(options.cluster), formatCluster)
        return 0
      }),
    )
}
