/** No more of somebody else's text than this gets into an error, in bytes. */
const quoteLimitBytes = 512

/**
 * Somebody else's text, made fit for an error message: our secrets taken out first (a proxy's page may show
 * the request's headers), control characters made spaces (a log or a terminal must not obey them), and cut.
 */
export function quoteForeignText(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) {
    if (secret !== '') clean = clean.replaceAll(secret, '[secret]')
  }
  clean = clean.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
  const bytes = Buffer.from(clean)
  if (bytes.length <= quoteLimitBytes) return clean
  // A character cut in two at the end decodes to U+FFFD, which goes.
  const head = bytes.subarray(0, quoteLimitBytes - 3).toString('utf8')
  return `${head.replace(/\uFFFD+$/u, '')}…`
}
