/**
 * Makes JSON safe to show: what would steer a terminal, or turn the order of what people read, becomes `\uXXXX`, as which
 * JSON reads it back. JSON itself escapes the controls below U+0020 only, not C1, bidi marks, or line separators.
 */
export function printable(json: string): string {
  return json.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
