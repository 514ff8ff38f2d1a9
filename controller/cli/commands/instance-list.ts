import { z } from 'zod'
import { Name } from '../../../protocol/messages/wire-types.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { formatInstances } from '../output/instance-format.ts'
import { printAnswer } from '../output/print-answer.ts'

const Options = z.object({ ...connectionShape, cluster: Name })

export const defineInstanceList: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<cluster>', 'its name or id'))
    .addHelpText(
      'after',
      '\nexpected: user-data was made for it; enrolled: its key is pinned; silent: three heartbeats did not come.',
    )
    .addHelpText('after', examples('instance list web'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const answer = await api.listInstances(options.cluster)
        await printAnswer(terminal, options, answer, ({ instances }, now) =>
          formatInstances(instances, now),
        )
        return 0
      }),
    )
}
