import { expect, test } from 'vitest'
import type { ProcessEntry } from './process-table.ts'
import { createProcessTree } from './process-tree.ts'

const entry = (pid: number): ProcessEntry => ({
  pid,
  parent: 1,
  group: pid,
  session: pid,
  startTicks: '1',
  state: 'S',
  program: 'x',
})

test('what only holds a terminal is not told to end when what ran on it has just ended', () => {
  const [holder, program] = [entry(10), entry(11)]
  const options = { commandId: crypto.randomUUID(), leader: 10, leaderHoldsTerminal: true }
  expect(createProcessTree(options).toTerminate([holder])).toEqual([holder])
  const tree = createProcessTree(options)
  expect(tree.toTerminate([holder, program])).toEqual([program])
  expect(tree.toTerminate([holder])).toEqual([])
})
