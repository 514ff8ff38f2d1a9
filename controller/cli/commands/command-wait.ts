import { z } from 'zod'
import type { DefineCommand } from '../act.ts'
import { openApiClient } from '../api/api-client.ts'
import { connectionShape } from '../api/controller-address.ts'
import { addConnectionOptions, examples } from '../connection-options.ts'
import { exitCodeHelp, worstExitCode } from '../exit-code.ts'
import { CommandId } from '../options/command-id.ts'
import { formatCommands } from '../output/command-format.ts'
import { writeAll } from '../terminal.ts'
import { followToEnd } from '../watch/follow-command.ts'

const Options = z.object({ ...connectionShape, ids: z.array(CommandId).min(1) })

export const defineCommandWait: DefineCommand = (command, act) => {
  addConnectionOptions(command.argument('<ids...>', 'ids of commands'))
    .addHelpText(
      'after',
      '\nCtrl-C ends the wait, not the commands. With --json, one record per line.',
    )
    .addHelpText('after', exitCodeHelp)
    .addHelpText('after', examples('command wait 0197c0de-0000-7000-8000-0000000000c1'))
    .action(
      act(Options, async (options, terminal) => {
        await using api = await openApiClient(options, terminal)
        // Asked first, so that a controller that is not there, or an unknown id, is told at once.
        await Promise.all(options.ids.map((id) => api.getCommand(id)))
        const following = { api, world: terminal.world }
        const ended = await Promise.all(options.ids.map((id) => followToEnd(following, id)))
        const commands = ended.map(({ value }) => value)
        const text = options.json
          ? ended.map((answer) => `${answer.text}\n`).join('')
          : formatCommands(commands, terminal.world.now())
        await writeAll(terminal.stdout, text)
        return worstExitCode(commands)
      }),
    )
}
