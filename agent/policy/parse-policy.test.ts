import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parsePolicy } from './parse-policy.ts'

describe('the policy parser', () => {
  test('never throws, whatever it is given', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => void parsePolicy(text)),
      { numRuns: 200 },
    )
    const value = fc.object({
      key: fc.constantFrom('version', 'rules', 'allow', 'argv', 'x'),
      maxDepth: 2,
      maxKeys: 4,
    })
    fc.assert(fc.property(value, (json) => void parsePolicy(JSON.stringify(json) ?? '')))
  })

  test.for([
    ['version: 1\nmoed: observe\n', 2, '"moed" is no key'],
    ['version: 2\n', 1, '"version"'],
    ['mode: enforce\n', 1, '"version" is missing'],
    ['', 1, 'the file is empty; begin it with `version: 1`'],
    ['# nothing yet\n', 1, 'the file is empty'],
    ['- 1\n', 1, 'the file must be a mapping of keys to values'],
    ['version: 1\nmode: off\n', 2, '"mode" must be one of enforce, observe'],
    ['version: 1\nrules: a\n', 2, '"rules" must be a list'],
    [
      'version: 1\nrules:\n  - name: a\n    allow: exec\n    argv: [ls, -l]\n',
      5,
      '"rules[0].argv[0]" must be a list: write a list of lists, such as [[ls, -l]]',
    ],
    [
      'version: 1\nrules:\n  - name: a\n    allow: exec\n    argv: ls -l\n',
      5,
      '"rules[0].argv" must be a list: write a list of lists',
    ],
    [
      'version: 1\nrules:\n  - name: a\n    allow: exec\n    user: [root]\n',
      5,
      '"rules[0].user" is no key',
    ],
    ['version: 1\nrules:\n  - name: a\n    allow: fly\n', 4, '"rules[0].allow'],
    ['version: 1\nrules:\n  - name: a\n', 3, 'exactly one of allow and refuse'],
    [
      'version: 1\nrules:\n  - name: a\n    allow: exec\n    refuse: exec\n',
      3,
      'exactly one of allow and refuse',
    ],
    [
      'version: 1\nrules:\n  - name: a\n    allow: [exec, ping]\n    argv: [[id]]\n',
      5,
      'says nothing about ping',
    ],
    [
      'version: 1\nrules:\n  - name: a\n    allow: exec\n    argv: [[sh, -c, "*"]]\n',
      5,
      'runs whatever it is given',
    ],
    [
      'version: 1\nrules:\n  - name: a\n    allow: read\n    paths: [etc]\n',
      5,
      'must begin with /',
    ],
    [
      'version: 1\nrules:\n  - name: a\n    allow: read\n    paths: [/a/../b]\n',
      5,
      'must not hold',
    ],
    ['version: 1\nrules:\n  - name: a\n    allow: http\n    ports: ["9-8"]\n', 5, 'range'],
    [
      'version: 1\nrules:\n  - {name: a, allow: ping}\n  - {name: a, allow: read}\n',
      4,
      'a second rule "a"',
    ],
    ['version: 1\nversion: 1\n', 2, 'unique'],
    ['version: 1\nrules: [\n', 3, ''],
  ] as const)('of %j complains at line %i', ([text, line, part]) => {
    const parsed = parsePolicy(text)
    if (parsed.ok) throw new Error('it was taken')
    expect(parsed.problems[0]?.line).toBe(line)
    expect(parsed.problems.map(({ message }) => message).join('\n')).toContain(part)
  })
})
