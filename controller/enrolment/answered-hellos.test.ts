import { expect, test } from 'vitest'
import { createAnsweredHellos } from './answered-hellos.ts'

const nonce = (number: number) => new Uint8Array(16).fill(number)

test('a hello is answered once, unless that failed', () => {
  const hellos = createAnsweredHellos()
  expect(hellos.begin('key-1', nonce(1))).toBe(true)
  expect(hellos.begin('key-1', nonce(1))).toBe(false)
  expect(hellos.begin('key-2', nonce(1))).toBe(true)
  hellos.abandon('key-1', nonce(1))
  expect(hellos.begin('key-1', nonce(1))).toBe(true)
})

test('an agent that says hello without end pushes out its own hellos only', () => {
  const hellos = createAnsweredHellos()
  hellos.begin('key-1', nonce(1))
  for (let number = 0; number < 65; number += 1) hellos.begin('key-2', nonce(number))
  expect(hellos.begin('key-1', nonce(1))).toBe(false)
  expect(hellos.begin('key-2', nonce(64))).toBe(false)
  expect(hellos.begin('key-2', nonce(0))).toBe(true)
})
