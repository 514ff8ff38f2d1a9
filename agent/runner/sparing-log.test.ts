import { expect, test } from 'vitest'
import { createSparingLog } from './sparing-log.ts'

test('a million lines leave twenty', () => {
  const written: string[] = []
  const tell = createSparingLog((line) => {
    written.push(line)
  })
  for (let i = 0; i < 1_000_000; i += 1) tell('again')
  expect(written.slice(0, 3)).toEqual(['again', 'again (2 times by now)', 'again (4 times by now)'])
  expect(written).toHaveLength(20)
})
