import type { IncomingHttpHeaders } from 'node:http'
import { Refusal } from './api-reply.ts'

/**
 * The checks that every request passes before its resource sees it, in Zaqar's order: content type, Accept,
 * Client-ID, project.
 *
 * @returns who asks, and in which project.
 * @throws {Refusal}
 */
export function checkHeaders(headers: IncomingHttpHeaders): { client: string; project: string } {
  checkContentType(headers)
  checkAccept(headers.accept)
  return {
    client: checkClient(headers['client-id']),
    project: checkProject(headers['x-project-id']),
  }
}

function checkContentType(headers: IncomingHttpHeaders): void {
  const hasBody =
    Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined
  if (hasBody && headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    throw new Refusal(
      400,
      'Invalid Content-Type',
      'Endpoint does not accept `application/x-www-form-urlencoded` content; currently supported media type is `application/json`; specify proper client-side media type with the "Content-Type" header.',
    )
  }
}

function checkAccept(accept: string | undefined): void {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return
  const ranges = accept.split(',').map((range) => range.split(';').map((part) => part.trim()))
  const admits = ranges.some(
    ([type = '', ...parameters]) =>
      /^(\*\/\*|application\/\*|application\/json|application\/json-home)$/i.test(type) &&
      !parameters.some((parameter) => /^q=0(\.0*)?$/i.test(parameter)),
  )
  if (admits) return
  const refusal = new Refusal(
    406,
    '406 Not Acceptable',
    'Endpoint only serves `application/json`; specify client-side media type support with the "Accept" header.',
  )
  throw /\bxml\b/i.test(accept) ? asXml(refusal) : refusal
}

/** Whoever asks for XML and nothing else is told no in XML, as Zaqar's framework does. */
function asXml(refusal: Refusal): Refusal {
  refusal.reply.body = `<?xml version="1.0" encoding="UTF-8"?><error><title>406 Not Acceptable</title><description>${refusal.message.replaceAll('"', '&quot;')}</description></error>`
  refusal.reply.headers = { ...refusal.reply.headers, 'Content-Type': 'application/xml' }
  return refusal
}

function checkClient(header: string | readonly string[] | undefined): string {
  if (typeof header !== 'string') {
    throw new Refusal(400, 'Missing header value', 'The "Client-ID" header is required.')
  }
  const client = header.replaceAll('-', '').toLowerCase()
  if (!/^[0-9a-f]{32}$/.test(client)) {
    throw new Refusal(400, 'Wrong UUID value', 'Malformed hexadecimal UUID.')
  }
  return client
}

function checkProject(header: string | readonly string[] | undefined): string {
  if (typeof header !== 'string') {
    throw new Refusal(400, 'Project-Id Missing', 'The header X-PROJECT-ID was missing')
  }
  if (header === '') {
    throw new Refusal(
      400,
      'Empty project header not allowed',
      'X-PROJECT-ID cannot be an empty string. Specify the right header X-PROJECT-ID and retry.',
    )
  }
  if (header.length > 256) {
    throw new Refusal(
      400,
      'Invalid API request',
      'The project id may not be more than 256 characters long.',
    )
  }
  return header
}
