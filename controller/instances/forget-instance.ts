import type { Context } from '../context.ts'
import type { Departures } from '../dispatch/departures.ts'
import type { Instance } from '../store/instances.ts'
import { readInstance } from '../store/instances.ts'
import { retireInstance } from './retire-instance.ts'

/** Forgets an instance for good; safe to repeat. */
export async function forgetInstance(
  context: Context,
  departures: Departures,
  { id }: Pick<Instance, 'id'>,
): Promise<void> {
  await context.store.write(() => {
    const instance = readInstance(context.store, id)
    if (instance) retireInstance(context, departures, instance, { forgotten: true })
  })
}
