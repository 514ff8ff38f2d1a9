import { z } from 'zod'
import { Name } from '../../../protocol/messages/wire-types.ts'
import { explainOutOfReach } from '../../enrolment/out-of-reach.ts'
import type { DefineCommand } from '../act.ts'
import type { ApiClient } from '../api/api-client.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { printAnswer } from '../output/print-answer.ts'
import { printable } from '../output/printable.ts'
import type { Terminal } from '../terminal.ts'
import { writeAll } from '../terminal.ts'

const Options = z.object({
  ...connectionShape,
  cluster: Name,
  instance: z.exactOptional(Name),
  format: z
    .enum(['cloud-config', 'script'], { error: 'use cloud-config or script' })
    .default('cloud-config'),
  validDays: z.exactOptional(
    z
      .string()
      .regex(/^[1-9]\d{0,3}$/, 'use a number of days, 1 to 3650')
      .transform(Number),
  ),
})

export const defineUserData: DefineCommand = (command, act) => {
  command
    .argument('<cluster>', 'its name or id')
    .option('--instance <name>', 'for this instance alone, with a secret that works once')
    .option('--format <format>', 'cloud-config (default) or script')
    .option('--valid-days <n>', 'how long instances may take to enrol (default: 365)')
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nWhat it prints is a secret: whoever reads it before the instance enrols can enrol in its place.\n' +
        'Without --instance any number of instances may use it; each is named by its host name.',
    )
    .addHelpText(
      'after',
      examples(
        'user-data web >user-data   # under umask 077',
        'user-data web --instance worker-1 --format script',
      ),
    )
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        const answer = await api.renderUserData(options.cluster, {
          format: options.format,
          ...(options.instance !== undefined && { instance: options.instance }),
          ...(options.validDays !== undefined && { validDays: options.validDays }),
        })
        await printAnswer(terminal, options, answer, ({ userData }) => userData)
        if (terminal.stdout.isTTY === true) {
          await writeAll(
            terminal.stderr,
            'warning: the text above holds an enrolment secret; clear the screen, and mind the scroll-back\n',
          )
        }
        await warnOfReach(api, terminal)
        return 0
      }),
    )
}

/** The answer does not say where the queue service is, and its JSON is printed as it is; so we ask for it. */
async function warnOfReach(api: ApiClient, { stderr }: Terminal): Promise<void> {
  const status = await api.status().catch(() => undefined)
  const outOfReach = status && explainOutOfReach(status.value.queueUrl)
  if (outOfReach !== undefined) await writeAll(stderr, `warning: ${printable(outOfReach)}\n`)
}
