import { z } from 'zod'

/** A command's id, as `run --detach` and `command list` print it. */
export const CommandId = z.uuid('is no id of a command; `command list` shows them')
