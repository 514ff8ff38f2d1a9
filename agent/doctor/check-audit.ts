import { existsSync } from 'node:fs'
import { readAudit } from '../audit/read-audit.ts'
import { listSegments } from '../audit/segments.ts'
import { verifyAudit } from '../audit/verify-audit.ts'
import type { AgentConfig } from '../config.ts'
import { auditDirectory } from '../own-paths.ts'
import { errnoOf } from '../runner/command-record.ts'
import type { StatePaths } from '../state-directory.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Whether the audit log is there, and its chain holds. Reads all of it. */
export async function checkAudit(config: AgentConfig, { journal }: StatePaths): Promise<Finding> {
  const directory = auditDirectory(config)
  try {
    if (listSegments(directory).length > 0) return await checkChain(directory)
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error
    return warn('audit', `${directory} cannot be seen by this user`, 'run doctor as root')
  }
  // An agent opens its journal before its log, and lets neither go.
  if (!existsSync(journal)) {
    return warn('audit', `no log in ${directory}`, 'it is made when the agent starts')
  }
  return fail(
    'audit',
    `no log in ${directory}, though an agent has run here: it was removed or moved away, and a running agent refuses commands`,
    'find out by whom; put it back, or start the agent again, which begins a new one',
  )
}

async function checkChain(directory: string): Promise<Finding> {
  const { fault, lines, head } = await verifyAudit(readAudit(directory))
  if (!fault)
    return ok('audit', `${lines} lines in ${directory} up to ${head.sequence}, each holds`)
  const where = fault.lineNumber === 0 ? directory : `${fault.file}, line ${fault.lineNumber}`
  return fail(
    'audit',
    `${where}: ${fault.why}`,
    'treat the instance as tampered with; `sahara-controller instance show` has alerts and the last head',
  )
}
