/**
 * Makes text from a guest safe to show: an instance's error could otherwise send control sequences to the
 * administrator's terminal (set its title, rewrite what stands above, paste commands).
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\n' || character === '\t' ? ' ' : '\uFFFD',
  )
}
