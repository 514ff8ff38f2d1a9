import { z } from 'zod'
import { Name } from '../../../protocol/messages/wire-types.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { formatCluster } from '../output/cluster-format.ts'
import { printAnswer } from '../output/print-answer.ts'

const Options = z.object({ ...connectionShape, name: Name })

export const defineClusterCreate: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<name>', 'a-z, 0-9 and -'))
    .addHelpText('after', examples('cluster create web', 'user-data web >user-data'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const cluster = await api.createCluster({ name: options.name })
        await printAnswer(terminal, options, cluster, formatCluster)
        return 0
      }),
    )
}
