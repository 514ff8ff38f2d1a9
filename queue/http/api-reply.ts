/** What goes back to the client. */
export interface ApiReply {
  status: number
  /** JSON text; none for a reply without a body. */
  body?: string
  headers?: Record<string, string>
  /** Called when the client could not be given this reply: it has gone. */
  onUndelivered?: () => void
}

/** A request that is turned down, with the body that Zaqar would send. */
export class Refusal extends Error {
  readonly reply: ApiReply

  constructor(
    status: number,
    title: string,
    description?: string,
    headers: Record<string, string> = {},
  ) {
    super(description ?? title)
    this.reply = { status, body: JSON.stringify({ title, description }), headers }
  }
}

/** The value of a field is out of its range, or the like. */
export function invalidRequest(description: string): Refusal {
  return new Refusal(400, 'Invalid API request', description)
}

/** The body is no JSON, or of the wrong types. */
export function invalidBody(description: string): Refusal {
  return new Refusal(400, 'Invalid request body', description)
}

export function notFound(description: string): Refusal {
  return new Refusal(404, 'Not found', description)
}

/** The one answer to all that a router does not know, and to every signed URL that does not fit. */
export function noSuchRoute(): Refusal {
  return new Refusal(404, '404 Not Found')
}

/** What a client gets when the database is full or failing; nothing of the request was kept. */
export const storageUnavailable: ApiReply = {
  status: 503,
  body: JSON.stringify({
    title: 'Service temporarily unavailable',
    description: 'The storage did not take the request. Nothing of it was kept; please retry.',
  }),
  headers: { 'Retry-After': '1' },
}

export const internalError: ApiReply = {
  status: 500,
  body: JSON.stringify({
    title: 'Internal server error',
    description: 'The server met an error that it does not know; its log says more.',
  }),
}
