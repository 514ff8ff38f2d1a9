import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Looks again and again until `holds`, for what gives no event to a test: a state behind another process's API.
 * Prefer an event (a line, a gate, `?wait=`) wherever there is one.
 *
 * @throws after `patienceMs`, naming `what`.
 */
export async function waitFor(
  what: string,
  holds: () => Promise<boolean> | boolean,
  patienceMs = 30_000,
): Promise<void> {
  const end = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${patienceMs / 1000} s for ${what}`)
    await sleep(25)
  }
}
