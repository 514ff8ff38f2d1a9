/**
 * Writes the 1st, 2nd, 4th, 8th, ... line that it is given, with its number: what repeats without end, at whatever pace,
 * fills no disk.
 */
export function createSparingLog(
  write: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): (line: string) => void {
  let count = 0
  let next = 1
  return (line) => {
    count += 1
    if (count < next) return
    next *= 2
    write(count === 1 ? line : `${line} (${count} times by now)`)
  }
}
