const redacted = '[redacted]'
const secretName = /pass|pwd|secret|token|api-?_?key|credential|auth|private/i

/**
 * Takes out of a program's words what looks like a secret: the value of `--password=...` and `PASSWORD=...`, the word after
 * `--password`, and the password in a URL. It can only guess; secrets do not belong into words at all, since every user of
 * the instance sees them in the list of processes. Pure.
 */
export function redactWords(words: readonly string[]): string[] {
  return words.map((word, index) => {
    const before = words[index - 1] ?? ''
    if (before.startsWith('-') && !before.includes('=') && secretName.test(before)) return redacted
    return redactValue(word).replaceAll(/(\w:\/\/)[^/\s@]*@/g, `$1${redacted}@`)
  })
}

function redactValue(word: string): string {
  const [, name, separator] = /^([^=:\s]{1,64})([=:])/.exec(word) ?? []
  if (name === undefined || separator === undefined || !secretName.test(name)) return word
  return `${name}${separator}${redacted}`
}
