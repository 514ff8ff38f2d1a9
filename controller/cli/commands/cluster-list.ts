import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { ConnectionOptions } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { formatClusters } from '../output/cluster-format.ts'
import { printAnswer } from '../output/print-answer.ts'

export const defineClusterList: DefineCommand = (command, act) => {
  addConnectionOptions(command)
    .addHelpText(
      'after',
      examples('cluster list', "cluster list --json | jq -r '.clusters[].name'"),
    )
    .action(
      act(ConnectionOptions, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        await printAnswer(terminal, options, await api.listClusters(), ({ clusters }, now) =>
          formatClusters(clusters, now),
        )
        return 0
      }),
    )
}
