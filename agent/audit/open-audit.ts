import type { World } from '../../protocol/world.ts'
import type { AuditOptions } from '../config.ts'
import { openAuditLog } from './audit-log.ts'
import { type AuditTrail, createAuditTrail } from './audit-trail.ts'

/** The audit log of a running agent. */
export interface OpenAudit extends AsyncDisposable {
  trail: AuditTrail
}

/**
 * Opens the audit log as the configuration has it.
 *
 * @throws {AuditUnavailableError} it cannot be opened; the agent must not run without.
 */
export function openAudit(
  {
    directory,
    fileBytes,
    files,
    words,
    tampering,
  }: AuditOptions & { directory: string; tampering: { onTampered: (what: string) => void } },
  world: World,
): OpenAudit {
  const onTampered = (what: string) => tampering.onTampered(what)
  const log = openAuditLog({ directory, fileBytes, files, onTampered }, world)
  return {
    trail: createAuditTrail(log, words, world),
    [Symbol.asyncDispose]: log[Symbol.asyncDispose],
  }
}
