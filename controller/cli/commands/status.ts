import type { ControllerStatus } from '../../api/resources.ts'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { ConnectionOptions } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { ownErrorExitCode } from '../exit-code.ts'
import { printAnswer } from '../output/print-answer.ts'
import { formatFields } from '../output/table.ts'

export const defineStatus: DefineCommand = (command, act) => {
  addConnectionOptions(command)
    .addHelpText('after', examples('status', 'status --json'))
    .addHelpText(
      'after',
      '\nExits with 255 when the controller or its queue cannot be reached, or refuses it.',
    )
    .action(
      act(ConnectionOptions, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const status = await api.status()
        await printAnswer(terminal, options, status, (value) =>
          formatFields({
            version: value.version,
            queue: `${value.queueUrl} (${describeQueue(value)})`,
            ...(value.queueProblem && { 'queue problem': value.queueProblem.message }),
            clusters: value.clusters,
            instances: `${value.instances} enrolled, ${value.expectedInstances} expected`,
            'open commands': value.openCommands,
          }),
        )
        return status.value.queueReachable ? 0 : ownErrorExitCode
      }),
    )
}

function describeQueue({ queueReachable, queueProblem }: ControllerStatus): string {
  if (queueReachable) return 'reachable'
  return queueProblem?.refused ? 'REFUSES this controller' : 'NOT reachable'
}
