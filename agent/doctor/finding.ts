/** What one check found. */
export interface Finding {
  check: string
  verdict: 'ok' | 'warn' | 'fail'
  /** What is the case. Never a secret. */
  detail: string
  /** What to do, where there is something to do. */
  remedy?: string
}

export function ok(check: string, detail: string): Finding {
  return { check, verdict: 'ok', detail }
}

export function warn(check: string, detail: string, remedy: string): Finding {
  return { check, verdict: 'warn', detail, remedy }
}

export function fail(check: string, detail: string, remedy: string): Finding {
  return { check, verdict: 'fail', detail, remedy }
}

/** The findings for people, a line for each, and what to do below it. Pure. */
export function describeFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  return findings
    .map(({ check, verdict, detail, remedy }) => {
      const line = `${labels[verdict]}  ${check.padEnd(width)}  ${detail}\n`
      return remedy === undefined ? line : `${line}${' '.repeat(width + 8)}-> ${remedy}\n`
    })
    .join('')
}

const labels = { ok: 'OK  ', warn: 'WARN', fail: 'FAIL' } as const
