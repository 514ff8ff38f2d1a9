import { expect, test } from 'vitest'
import { z } from 'zod'
import { inPlainWords } from './plain-words.ts'

const Thing = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(5)
    .regex(/^[a-z]*$/),
  words: z.array(z.string()).min(1),
  timeoutSeconds: z.number().min(0.5),
  limitBytes: z.int().max(1),
  validDays: z.int().min(1),
  link: z.url(),
  id: z.uuid(),
  mode: z.enum(['a', 'b']),
  either: z.union([z.string(), z.strictObject({ x: z.string() })]),
  names: z.record(z.string().regex(/^[a-z]$/), z.string()),
  checked: z.number().refine((value) => value === 1),
  inner: z.strictObject({}),
  chosen: z.string('is chosen by its schema'),
})
const right = {
  name: 'n',
  words: ['w'],
  timeoutSeconds: 1,
  limitBytes: 1,
  validDays: 1,
  link: 'http://x',
  id: '0197c0de-0000-7000-8000-000000000001',
  mode: 'a',
  either: 'e',
  names: {},
  checked: 1,
  inner: {},
  chosen: 'c',
}

test.for([
  ['name', undefined, 'is missing'],
  ['name', 7, 'must be text'],
  ['name', '', 'must not be empty'],
  ['name', 'abcdef', 'must have at most 5 characters'],
  ['name', 'A', 'must match /^[a-z]*$/'],
  ['words', 'w', 'must be a list'],
  ['words', [], 'must have at least 1 of them'],
  ['timeoutSeconds', 0, 'must be at least 0.5 seconds'],
  ['limitBytes', 2, 'must be at most 1 byte'],
  ['limitBytes', 0.5, 'must be a whole number'],
  ['validDays', 0, 'must be at least 1 day'],
  ['link', 'x', 'must be a URL'],
  ['id', 'x', 'must be a UUID'],
  ['mode', 'c', 'must be one of a, b'],
  ['mode', undefined, 'is missing'],
  ['either', undefined, 'is missing'],
  ['either', 7, 'has none of the forms that it may have'],
  ['names', { A: 'x' }, 'is no name that may stand here'],
  ['checked', 2, 'is not valid'],
  ['inner', { x: 1 }, 'has no key x'],
  ['chosen', 7, 'is chosen by its schema'],
] as const)('%s of %j %s', ([key, value, words]) => {
  const parsed = Thing.safeParse({ ...right, [key]: value }, { error: inPlainWords })
  expect(parsed.error?.issues.map(({ message }) => message)).toEqual([words])
})
