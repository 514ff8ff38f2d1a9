import type { AuditHead } from '../store/instances.ts'

/** What is wrong with an audit log that ends at `head`, and ended at `known` before. Pure. */
export function judgeAuditHead(
  known: AuditHead,
  head: AuditHead,
): { code: string; message: string } | undefined {
  const look = `look at it with sahara-agent audit verify --head ${known.sequence}:${known.hash}`
  if (head.sequence < known.sequence) {
    const message = `the audit log ends at line ${head.sequence}, and went to line ${known.sequence} before: it was cut short; ${look}`
    return { code: 'audit-cut-short', message }
  }
  if (head.sequence > known.sequence || head.hash === known.hash) return undefined
  const message = `line ${known.sequence} of the audit log is not the one that it was; ${look}`
  return { code: 'audit-changed', message }
}
