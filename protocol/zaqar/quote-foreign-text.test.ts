import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quoteForeignText } from './quote-foreign-text.ts'

test('a quotation is at most 512 bytes, on one line, and never shows a secret', () => {
  const secret = 'f00dfeedf00dfeed'
  const text = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constant(secret)), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(text, (parts) => {
      const quoted = quoteForeignText(parts.join(''), [secret])
      expect(Buffer.byteLength(quoted)).toBeLessThanOrEqual(512)
      expect(quoted).not.toContain(secret)
      expect(quoted).not.toMatch(/\p{Cc}/u)
    }),
  )
})

test('a long text is cut between characters', () => {
  const quoted = quoteForeignText('€'.repeat(400), [])
  expect(quoted).toMatch(/^€+…$/)
})
