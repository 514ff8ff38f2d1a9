import type { z } from 'zod'

/**
 * Says in plain words what is wrong with a value, to stand behind the name of its key: "`heartbeatSeconds` must be at least
 * 1 second". For the `error` of a parse; what a schema says itself comes before it. Never quotes the value, which may be a secret.
 */
export const inPlainWords: z.core.$ZodErrorMap = (issue) => {
  const unit = unitOf(issue.path)
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${describeType(issue.expected)}`
    case 'too_small':
      return `must ${describeBound(issue.origin, 'least', issue.minimum, unit)}`
    case 'too_big':
      return `must ${describeBound(issue.origin, 'most', issue.maximum, unit)}`
    case 'invalid_value':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
    case 'invalid_format':
      return describeFormat(issue.format, issue.pattern)
    case 'invalid_union':
      return issue.input === undefined ? 'is missing' : 'has none of the forms that it may have'
    case 'unrecognized_keys':
      return `has no key ${issue.keys.join(', ')}`
    case 'invalid_key':
      return 'is no name that may stand here'
    case 'invalid_element':
    case 'not_multiple_of':
    case 'custom':
      return 'is not valid'
  }
}

/** One line that names each wrong key, such as "`queue.url` is missing"; of a parse with `inPlainWords`. At most eight of them. */
export function describeWrongKeys(error: z.ZodError): string {
  return error.issues
    .flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => `\`${[...issue.path, key].join('.')}\` is no key of it`)
        : [`\`${issue.path.join('.') || '(root)'}\` ${issue.message}`],
    )
    .slice(0, 8)
    .join('; ')
}

const types: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'a mapping of keys to values'],
  ['record', 'a mapping of keys to values'],
])

function describeType(expected: string): string {
  return types.get(expected) ?? expected
}

function describeBound(
  origin: string,
  side: 'least' | 'most',
  bound: number | bigint,
  unit: string | undefined,
): string {
  const many = (what: string) => `${bound} ${Number(bound) === 1 ? what : `${what}s`}`
  if (origin === 'string') {
    return side === 'least' && Number(bound) === 1
      ? 'not be empty'
      : `have at ${side} ${many('character')}`
  }
  if (origin === 'array') return `have at ${side} ${bound} of them`
  return `be at ${side} ${unit === undefined ? bound : many(unit)}`
}

/** The unit stands in the key's name: `timeoutSeconds`. */
function unitOf(path: readonly PropertyKey[] | undefined): string | undefined {
  const unit = /(second|byte|day)s$/i.exec(String(path?.at(-1) ?? ''))?.at(1)
  return unit?.toLowerCase()
}

function describeFormat(format: string, pattern: string | undefined): string {
  if (format === 'url') return 'must be a URL'
  if (format === 'uuid') return 'must be a UUID'
  return pattern === undefined ? `must be ${format}` : `must match ${pattern}`
}
