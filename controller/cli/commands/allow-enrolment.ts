import { z } from 'zod'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { OneInstance } from '../options/target.ts'
import { formatInstance } from '../output/instance-format.ts'
import { printAnswer } from '../output/print-answer.ts'

const Options = z.object({
  ...connectionShape,
  instance: OneInstance,
  undo: z.boolean().default(false),
})

export const defineAllowEnrolment: DefineCommand = (command, act) => {
  command
    .argument('<instance>', 'CLUSTER/INSTANCE')
    .option('--undo', 'take it back: only the pinned key may enrol')
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nFor an instance that was rebuilt. Make sure of that: whoever enrols next gets its commands.\n' +
        '`instance show` tells whether it is allowed still (`new key`); the first new key uses it up.',
    )
    .addHelpText(
      'after',
      examples(
        'instance allow-enrolment web/worker-1',
        'instance allow-enrolment web/worker-1 --undo',
      ),
    )
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const answer = options.undo
          ? await api.disallowEnrolment(options.instance)
          : await api.allowEnrolment(options.instance)
        await printAnswer(terminal, options, answer, formatInstance)
        return 0
      }),
    )
}
