import type { z } from 'zod'
import { inPlainWords } from '../../protocol/plain-words.ts'
import { type InvalidPart, RequestInvalidError } from '../errors.ts'

/**
 * Parses what a client sent.
 *
 * @throws {RequestInvalidError} names each key that is wrong, unknown ones too; never a value.
 */
export function parseRequest<T extends z.ZodType>(
  schema: T,
  value: unknown,
  what: 'body' | 'query' | 'headers',
): z.output<T> {
  const parsed = schema.safeParse(value, { error: inPlainWords })
  if (parsed.success) return parsed.data
  const parts = parsed.error.issues.flatMap(describeIssue)
  const first = parts.at(0)
  throw new RequestInvalidError(
    `the request's ${what} is not valid: ${first?.path} ${first?.message}`,
    parts,
  )
}

function describeIssue(issue: z.core.$ZodIssue): InvalidPart[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'is no known key' }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const options = issue.errors.map((issues) => issues.map(describeInner).join(', '))
    return [{ path: path.join('.') || '(root)', message: `fits none: ${options.join('; or ')}` }]
  }
  return [{ path: path.join('.') || '(root)', message: issue.message }]
}

function describeInner({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0 ? message : `${path.map(String).join('.')} ${message}`
}
