import { expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { createRefusalBudget } from './refusal-budget.ts'

test('ten refusals of a kind are said in a minute, for each cluster', async () => {
  const world = fakeWorld()
  const budget = createRefusalBudget(world)
  const take = (cluster: string, code: string) =>
    Array.from({ length: 12 }, () => budget.take(cluster, code)).filter(Boolean).length
  expect(take('c1', 'secret-refused')).toBe(10)
  expect(take('c1', 'key-pinned')).toBe(10)
  expect(take('c2', 'secret-refused')).toBe(10)
  await world.advance(59_999)
  expect(budget.take('c1', 'secret-refused')).toBe(false)
  await world.advance(1)
  expect(take('c1', 'secret-refused')).toBe(10)
})
