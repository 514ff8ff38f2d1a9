import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { inPlainWords } from '../../protocol/plain-words.ts'
import { PolicyFile } from './policy-file.ts'

/** Something that is wrong with a policy file. */
export interface PolicyProblem {
  /** From 1 on. */
  line: number
  column: number
  message: string
}

export type ParsedPolicy =
  | { ok: true; file: PolicyFile }
  | { ok: false; problems: readonly PolicyProblem[] }

/** A longer file is none that a person wrote, in characters. */
const lengthLimit = 1024 * 1024
const problemsLimit = 20

/** Reads a policy's text, YAML or JSON. Never throws: what is wrong is told with its place. Pure. */
export function parsePolicy(text: string): ParsedPolicy {
  if (text.length > lengthLimit)
    return failed([{ line: 1, column: 1, message: 'is longer than 1 MiB' }])
  const lines = new LineCounter()
  const place = (offset: number) => {
    const { line, col } = lines.linePos(Math.max(0, offset))
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: true,
    })
    const faults = [...document.errors, ...document.warnings]
    if (faults.length > 0) {
      return failed(faults.map(({ pos, message }) => ({ ...place(pos[0]), message })))
    }
    const parsed = PolicyFile.safeParse(document.toJS({ maxAliasCount: 100 }), {
      error: inWordsOfPolicies,
    })
    if (parsed.success) return { ok: true, file: parsed.data }
    return failed(
      describeIssues(parsed.error).map(({ path, message }) => ({
        ...place(offsetOf(document, path)),
        message: `${path.length === 0 ? 'the file' : `"${describePath(path)}"`} ${message}`,
      })),
    )
  } catch (error) {
    // The YAML library throws on a bomb of aliases.
    const message = error instanceof Error ? error.message : String(error)
    return failed([{ line: 1, column: 1, message }])
  }
}

function failed(problems: readonly PolicyProblem[]): ParsedPolicy {
  return { ok: false, problems: problems.slice(0, problemsLimit) }
}

type Path = readonly PropertyKey[]

function describeIssues(error: z.ZodError): { path: Path; message: string }[] {
  return error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }]
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: 'is no key that is known here',
    }))
  })
}

const inWordsOfPolicies: z.core.$ZodErrorMap = (issue) =>
  !issue.path?.length && issue.input === null
    ? 'is empty; begin it with `version: 1`'
    : inPlainWords(issue)

function describePath(path: Path): string {
  return path
    .map((key, index) =>
      typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`,
    )
    .join('')
}

/** Where a value, or failing that the nearest thing around it, begins. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const found = rangeAt(document, path.slice(0, length))
    if (found !== undefined) return found
  }
  return 0
}

function rangeAt(document: Document, path: Path): number | undefined {
  const key = path.at(-1)
  const parent: unknown = path.length === 0 ? undefined : document.getIn(path.slice(0, -1), true)
  const holder = path.length === 1 ? document.contents : parent
  if (isMap(holder)) {
    const pair = holder.items.find((item) => isScalar(item.key) && item.key.value === key)
    return isScalar(pair?.key) ? pair.key.range?.[0] : undefined
  }
  const node: unknown = document.getIn(path, true)
  if (typeof node !== 'object' || node === null || !('range' in node)) return undefined
  const { range } = node
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : undefined
}
