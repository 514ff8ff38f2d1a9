import { ControllerUnreachableError } from '../../controller/cli/errors.ts'
import type { TestCluster } from '../system/start-cluster.ts'
import { waitFor } from '../system/wait-for.ts'

/** How a command has ended; a controller that is killed or started again meanwhile is asked again. */
export async function waitForEnd(
  { api }: Pick<TestCluster, 'api'>,
  id: string,
): Promise<{ state: string; ended: boolean }> {
  while (true) {
    const record = await whileUnreachable(() => api.getCommand(id, { wait: true }))
    if (record.ended) return record
  }
}

/** Asks again while the controller is being started again. */
export async function whileUnreachable<T>(ask: () => Promise<{ value: T }>): Promise<T> {
  let answer: T | undefined
  await waitFor('the controller to answer', async () => {
    try {
      answer = (await ask()).value
      return true
    } catch (error) {
      if (error instanceof ControllerUnreachableError) return false
      throw error
    }
  })
  if (answer === undefined) throw new Error('the controller gave no answer')
  return answer
}
