import { describe, expect, test } from 'vitest'
import { judgeAuditHead } from './judge-audit-head.ts'

const head = (sequence: number, hash: string) => ({ sequence, hash: hash.repeat(64) })

describe('the head of an audit log that was known', () => {
  test.for([
    ['is the same', head(5, 'a'), undefined],
    ['has gone on', head(6, 'b'), undefined],
    ['went backwards', head(4, 'b'), 'audit-cut-short'],
    ['is another line of the same number', head(5, 'b'), 'audit-changed'],
  ] as const)('%s', ([, now, code]) => {
    expect(judgeAuditHead(head(5, 'a'), now)?.code).toBe(code)
  })
})
