/**
 * Writes a program in ASCII alone: V8 keeps a text with one character beyond Latin-1 in two bytes for each of its characters,
 * for as long as the program runs. Pure.
 *
 * @param code without comments, and without such characters in names or behind a backslash.
 */
export function escapeNonAscii(code: string): string {
  return code.replaceAll(/[^\0-\x7f]/g, escapeUnit)
}

/** Without the flag `u` each half of a surrogate pair comes by itself; two escapes stand for the pair again. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
