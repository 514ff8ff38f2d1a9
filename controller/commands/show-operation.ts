/** What takes the place of a value that is not shown. */
const hidden = '(not shown)'

/**
 * An operation as listings may show it: values of the environment and of headers, secrets, input and signed URLs are left out. Pure.
 */
export function showOperation(operation: Readonly<Record<string, unknown>> & { name: string }): {
  name: string
} {
  const cut = Object.entries(operation).map(([key, value]) => [key, cutText(value)] as const)
  const shown: Record<string, unknown> & { name: string } = {
    ...Object.fromEntries(cut),
    name: operation.name,
  }
  if (isRecord(shown['env'])) {
    shown['env'] = Object.fromEntries(Object.keys(shown['env']).map((name) => [name, hidden]))
  }
  if (isRecord(shown['secrets'])) {
    const names = Object.entries(shown['secrets']).map(([name, secret]) => [
      name,
      { via: isRecord(secret) ? secret['via'] : undefined },
    ])
    shown['secrets'] = Object.fromEntries(names)
  }
  if (Array.isArray(shown['headers'])) {
    shown['headers'] = shown['headers'].map((header) =>
      Array.isArray(header) ? [header[0], hidden] : hidden,
    )
  }
  if (shown.name === 'stdin') delete shown['bytes']
  if (shown.name === 'credentials') delete shown['credentials']
  return shown
}

/** No text is shown longer than this; a listing may hold a thousand of them. */
const shownLimit = 4096

function cutText(value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= shownLimit) return value
  return `${value.slice(0, shownLimit)}… (${value.length} characters)`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
