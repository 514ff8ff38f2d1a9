import type { z } from 'zod'
import { invalidBody, invalidRequest, type Refusal } from './api-reply.ts'

/** Parses a JSON body against a schema; the refusal names the first field that does not fit. */
export function parseBody<Schema extends z.ZodType>(
  text: string,
  schema: Schema,
): z.output<Schema> {
  const parsed = schema.safeParse(parseJson(text))
  if (!parsed.success) throw explain(parsed.error)
  return parsed.data
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    throw invalidBody('Request body could not be parsed.')
  }
}

/** Zaqar tells wrong types ("body") from values out of range ("request"); so do we. */
function explain(error: z.ZodError): Refusal {
  const [issue] = error.issues
  const where = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.')
  const text = `${where}: ${issue?.message ?? 'invalid'}`
  return issue?.code === 'invalid_type' ? invalidBody(text) : invalidRequest(text)
}
