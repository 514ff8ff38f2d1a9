import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { parsePolicy } from './parse-policy.ts'
import { presetNames } from './policy-file.ts'
import { renderPolicy } from './render-policy.ts'

describe('the policy file to begin with', () => {
  test.for(presetNames)('is valid for the preset %s, with its examples too', (preset) => {
    const text = renderPolicy(preset)
    expect(parsePolicy(text)).toMatchObject({ ok: true, file: { preset, rules: [] } })
    const [head = '', rest = ''] = text.split('rules: []')
    const examples = rest.replace('limits: {}', 'limits:').replaceAll(/^# {2}( *\S)/gm, '  $1')
    const uncommented = `${head}rules:${examples}`
    const parsed = parsePolicy(uncommented)
    expect(parsed.ok ? parsed.file.rules.length : parsed.problems).toBe(3)
  })

  test('is what images ship', async () => {
    const shipped = await readFile(new URL('../../cloud-init/policy.yaml', import.meta.url), 'utf8')
    expect(shipped).toBe(renderPolicy('sahara'))
  })
})

test('every example of docs/policy.md that is a whole file is valid', async () => {
  const page = await readFile(new URL('../../docs/policy.md', import.meta.url), 'utf8')
  const examples = [...page.matchAll(/```yaml\n(version: 1\n[^`]*)```/g)].map(
    ([, text = '']) => text,
  )
  expect(examples.length).toBeGreaterThan(2)
  for (const text of examples) expect(parsePolicy(text)).toMatchObject({ ok: true })
})
