import { dirname, join } from 'node:path'
import { compilePattern, hasWildcard, type Pattern, withoutEscapes } from './patterns.ts'
import type {
  GovernedOperation,
  PolicyFile,
  PolicyLimits,
  PresetName,
  Rule,
} from './policy-file.ts'
import { presets } from './presets.ts'

/** A policy, ready to decide. */
export interface Policy {
  mode: PolicyFile['mode']
  preset: PresetName
  limits: PolicyLimits
  /** In the order in which they are asked; the first that fits decides. */
  rules: readonly CompiledRule[]
}

export interface CompiledRule {
  /** Rules of a preset have a slash in their name, so that none of the tenant's is mistaken for one. */
  name: string
  effect: 'allow' | 'refuse'
  operations: readonly GovernedOperation[]
  argv: readonly ArgvPattern[] | null
  interpreters: readonly ProgramPattern[] | null
  environment: readonly Pattern[] | null
  users: readonly UserPattern[] | null
  paths: readonly Pattern[] | null
  ports: readonly { first: number; last: number }[] | null
  ownerAndSetId: boolean
  /** Kept under observation too: what the agent's own safety rests on. */
  isBuiltIn: boolean
}

export interface ArgvPattern {
  program: ProgramPattern
  words: readonly WordPattern[]
  /** Ends with `**`: more words may follow. */
  isOpen: boolean
  /** Not one wildcard in it. */
  isLiteral: boolean
}

export interface ProgramPattern {
  kind: 'path' | 'name'
  patterns: readonly Pattern[]
}

export interface WordPattern {
  /** A lone `*`: any one word. */
  isAnyWord: boolean
  /** Whether it may begin with a dash. */
  takesOptions: boolean
  pattern: Pattern
}

export interface UserPattern {
  text: string
  pattern: Pattern
}

/** Follows all links of a path; null where there is nothing. */
export type ResolvePath = (path: string) => string | null

/**
 * Makes a policy of a file: its own rules, then those of its preset.
 *
 * @param ownPaths files and folders of the agent itself, which no command may read or write through it.
 */
export function compilePolicy(
  { mode, preset, limits, rules }: PolicyFile,
  { ownPaths, resolvePath }: { ownPaths: readonly string[]; resolvePath: ResolvePath },
): Policy {
  const own = ownFilesRule(ownPaths, resolvePath)
  const fromFile = rules.map((rule) => compileRule(rule, rule.name, resolvePath))
  const fromPreset = presets[preset].rules.map((rule) =>
    compileRule(rule, `${preset}/${rule.name}`, resolvePath),
  )
  return { mode, preset, limits, rules: [own, ...fromFile, ...fromPreset] }
}

function ownFilesRule(ownPaths: readonly string[], resolvePath: ResolvePath): CompiledRule {
  const paths = ownPaths.map(escapePattern).flatMap((path) => [path, `${path}/**`])
  const rule = { name: 'own-files', refuse: ['read', 'write'], paths } satisfies Rule
  return { ...compileRule(rule, 'built-in/own-files', resolvePath), isBuiltIn: true }
}

function escapePattern(path: string): string {
  return path.replaceAll(/[\\*?]/g, '\\$&')
}

function compileRule(rule: Rule, name: string, resolvePath: ResolvePath): CompiledRule {
  const effect = rule.allow ? 'allow' : 'refuse'
  const paths = (text: string) =>
    (effect === 'allow'
      ? [text, ...systemAliases(text, resolvePath)]
      : trueNames(text, resolvePath)
    )
      .filter((each, index, all) => all.indexOf(each) === index)
      .map(compilePattern)
  const program = (text: string): ProgramPattern =>
    text.includes('/')
      ? { kind: 'path', patterns: paths(text) }
      : { kind: 'name', patterns: [compilePattern(text)] }
  return {
    name,
    effect,
    operations: rule.allow ?? rule.refuse ?? [],
    argv: rule.argv?.map((argv) => compileArgv(argv, program)) ?? null,
    interpreters: rule.interpreters?.map(program) ?? null,
    environment: rule.environment?.map(compilePattern) ?? null,
    users: rule.users?.map((text) => ({ text, pattern: compilePattern(text) })) ?? null,
    paths: rule.paths?.flatMap(paths) ?? null,
    ports: rule.ports ?? null,
    ownerAndSetId: rule.ownerAndSetId ?? false,
    isBuiltIn: false,
  }
}

function compileArgv(
  [program = '', ...rest]: readonly string[],
  compileProgram: (text: string) => ProgramPattern,
): ArgvPattern {
  const isOpen = rest.at(-1) === '**'
  const words = isOpen ? rest.slice(0, -1) : rest
  return {
    program: compileProgram(program),
    words: words.map((text) => ({
      isAnyWord: text === '*',
      takesOptions: text.startsWith('-') || text.startsWith('\\-'),
      pattern: compilePattern(text),
    })),
    isOpen,
    isLiteral: !isOpen && ![program, ...words].some(hasWildcard),
  }
}

/**
 * Links that distributions lay at the top of the file system, such as `/bin` to `/usr/bin`. An allowance follows these and
 * no others: links below may be laid by those whom the policy is to bound.
 */
const systemLinks = ['/bin', '/sbin', '/lib', '/lib64', '/usr/sbin', '/var/run', '/var/lock']

function systemAliases(text: string, resolvePath: ResolvePath): string[] {
  const link = systemLinks.find((each) => text === each || text.startsWith(`${each}/`))
  const target = link === undefined ? null : resolvePath(link)
  if (link === undefined || target === null) return []
  return [escapePattern(target) + text.slice(link.length)]
}

/** A refusal holds for the place that a path leads to when the policy is read, as well as for the path as it is written. */
function trueNames(text: string, resolvePath: ResolvePath): string[] {
  const isWhole = !hasWildcard(text)
  const folder = isWhole ? dirname(withoutEscapes(text)) : literalFolder(text)
  const resolvedFolder = resolvePath(folder)
  const rest = isWhole ? text.slice(text.lastIndexOf('/')) : text.slice(literalPrefixLength(text))
  const whole = isWhole ? resolvePath(withoutEscapes(text)) : null
  return [
    text,
    ...systemAliases(text, resolvePath),
    ...(resolvedFolder === null ? [] : [join(escapePattern(resolvedFolder), '/', rest)]),
    ...(whole === null ? [] : [escapePattern(whole)]),
  ]
}

/** The parts before the first wildcard. */
function literalFolder(text: string): string {
  return withoutEscapes(text.slice(0, literalPrefixLength(text))) || '/'
}

function literalPrefixLength(text: string): number {
  const parts = text.split('/')
  const first = parts.findIndex(hasWildcard)
  return parts.slice(0, first).join('/').length
}
