import { dirname, relative, resolve } from 'node:path'

/** A program that the agent starts as a process of its own. */
export interface StartedProgram {
  /** Its source, an absolute path. */
  file: string
  /** Its name in the bundle, without an ending; told apart by its folder: `agent-runner-main`. */
  name: string
}

/** How our sources name a program that they start. The same words run unbundled. */
const entryUrl = /new URL\((['"`])(?<path>[^'"`]+\.ts)\1, import\.meta\.url\)/g

/**
 * Rewrites what a module says of the programs that it starts to the place which they have in a bundle: one directory
 * with all of them beside each other. Pure.
 *
 * @param id the module's absolute path; what it names is relative to it.
 * @returns null when the module starts none.
 */
export function rewriteEntryUrls(
  code: string,
  id: string,
  root: string,
): { code: string; entries: StartedProgram[] } | null {
  const entries: StartedProgram[] = []
  const rewritten = code.replaceAll(entryUrl, (_whole, _quote, path: string) => {
    const file = resolve(dirname(id), path)
    const name = relative(root, file).replace(/\.ts$/, '').replaceAll('/', '-')
    entries.push({ file, name })
    return `new URL('${name}.js', import.meta.url)`
  })
  return entries.length === 0 ? null : { code: rewritten, entries }
}
