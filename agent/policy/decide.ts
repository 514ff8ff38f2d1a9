import type {
  ArgvPattern,
  CompiledRule,
  Policy,
  ProgramPattern,
  UserPattern,
  WordPattern,
} from './compile-policy.ts'
import { isInterpreter } from './interpreters.ts'
import { matchesPattern, type Pattern } from './patterns.ts'
import type { AskedProgram, AskedUser, Question } from './question.ts'

/** What the policy says about a command. */
export interface Decision {
  allowed: boolean
  /** Which rule decides. */
  rule: string
  /** For people: what about the command made it decide so. */
  why: string
  /** Holds in the mode `observe` too. */
  isBuiltIn: boolean
}

/** How one rule looks at a command. */
export type RuleVerdict = { fits: true } | { fits: false; because: string }

/**
 * Decides about a command: the first rule that fits it says yes or no; where none fits, it is refused. What is allowed must
 * keep the limits besides. Pure: the same arguments give the same decision.
 *
 * An allowance holds for what a file or a program truly is, and reads its wildcards narrowly; a refusal holds for all names
 * of it, and reads them widely. So whatever is unclear is refused.
 */
export function decide(policy: Policy, question: Question): Decision {
  const rule = policy.rules.find((one) => fitRule(one, question).fits)
  if (!rule) {
    const why = `no rule allows ${describeQuestion(question)}${describeVariable(policy, question)}`
    return { allowed: false, rule: 'built-in/default', why, isBuiltIn: false }
  }
  const { name, isBuiltIn } = rule
  if (rule.effect === 'refuse') {
    const why = `rule "${name}" refuses ${describeQuestion(question)}`
    return { allowed: false, rule: name, why, isBuiltIn }
  }
  return (
    exceedsLimits(policy, question) ?? {
      allowed: true,
      rule: name,
      why: `rule "${name}" allows ${describeQuestion(question)}`,
      isBuiltIn,
    }
  )
}

/** Whether a rule fits a command, or what about the command does not. Pure. */
export function fitRule(rule: CompiledRule, question: Question): RuleVerdict {
  if (!rule.operations.includes(question.operation))
    return not(`it speaks of ${rule.operations.join(', ')}`)
  const isWide = rule.effect === 'refuse'
  const { user, program, environment, path, port } = question
  if (rule.users && !(user && rule.users.some((one) => matchesUser(one, user)))) {
    return not(`the user is ${user?.name ?? 'unknown'}`)
  }
  if (
    rule.ports &&
    !rule.ports.some(({ first, last }) => port !== null && first <= port && port <= last)
  ) {
    return not(`the port is ${port ?? 'unknown'}`)
  }
  if (question.setsOwnerOrId && !isWide && !rule.ownerAndSetId) {
    return not('it sets an owner or a set-id bit, and the rule does not say ownerAndSetId')
  }
  if (rule.paths) {
    const names = isWide ? (path?.names ?? []) : [path?.leadsTo ?? '']
    if (!names.some((name) => matchesAny(rule.paths, name, isWide))) {
      return not(`the path leads to ${path?.leadsTo ?? 'nowhere'}`)
    }
  }
  const namesPrograms = rule.argv !== null || rule.interpreters !== null
  if (namesPrograms) {
    const misfit = program ? misfitOfProgram(rule, program, isWide) : 'it has no program'
    if (misfit !== null) return not(misfit)
  }
  return fitEnvironment(rule, environment, namesPrograms)
}

/** A variable such as LD_PRELOAD or PATH makes another program of a program that a rule has named. */
function fitEnvironment(
  { effect, environment: patterns }: CompiledRule,
  names: readonly string[],
  namesPrograms: boolean,
): RuleVerdict {
  if (effect === 'refuse') {
    if (!patterns || names.some((name) => matchesAny(patterns, name, true))) return { fits: true }
    return not('it brings none of the variables')
  }
  if (!patterns && !namesPrograms) return { fits: true }
  const other = findUnnamed(patterns, names)
  return other === undefined ? { fits: true } : not(`it brings the variable ${other}`)
}

function findUnnamed(
  patterns: CompiledRule['environment'],
  names: readonly string[],
): string | undefined {
  return names.find((name) => !matchesAny(patterns, name, false))
}

function misfitOfProgram(
  { argv, interpreters }: CompiledRule,
  program: AskedProgram,
  isWide: boolean,
): string | null {
  const runsCode = program.isScript || runsWhatItIsGiven(program)
  if (runsCode && interpreters?.some((one) => matchesProgram(one, program, isWide))) return null
  const name = program.argv[0] ?? ''
  if (program.isScript) return `it is a script for ${name}`
  const fits = argv?.some((one) => {
    if (!isWide && runsCode && !one.isLiteral) return false
    return matchesProgram(one.program, program, isWide) && matchesWords(one, program, isWide)
  })
  if (fits) return null
  if (program.found === null) return `the program ${name} is not found`
  return runsCode && !isWide
    ? `${name} runs what it is given, and is not among the interpreters`
    : `no pattern fits ${name} with these words`
}

function runsWhatItIsGiven({ found, target, argv }: AskedProgram): boolean {
  return [found, target, argv[0] ?? ''].some(
    (path) => path !== null && isInterpreter(baseName(path)),
  )
}

function matchesProgram(
  { kind, patterns }: ProgramPattern,
  { found, target, argv, isOfSystem }: AskedProgram,
  isWide: boolean,
): boolean {
  if (isWide) {
    const names = [found, target, argv[0] ?? ''].filter((name) => name !== null)
    return names.some((name) => matchesAny(patterns, kind === 'path' ? name : baseName(name), true))
  }
  if (found === null) return false
  return kind === 'path'
    ? matchesAny(patterns, found, false)
    : isOfSystem && matchesAny(patterns, baseName(found), false)
}

function matchesWords(
  { words, isOpen }: ArgvPattern,
  { argv }: AskedProgram,
  isWide: boolean,
): boolean {
  const given = argv.slice(1)
  if (isOpen ? given.length < words.length : given.length !== words.length) return false
  return words.every((pattern, index) => matchesWord(pattern, given[index] ?? '', isWide))
}

/** A wildcard in front of an allowance takes no option: `-o ProxyCommand=...` is no file name. */
function matchesWord(
  { isAnyWord, takesOptions, pattern }: WordPattern,
  word: string,
  isWide: boolean,
): boolean {
  if (!isWide && word.startsWith('-') && !takesOptions) return false
  return isAnyWord || matchesPattern(pattern, word, isWide ? 'generous' : 'strict')
}

function matchesUser({ text, pattern }: UserPattern, { name, uid }: AskedUser): boolean {
  if (uid === 0 && (text === 'root' || text === '0')) return true
  if (uid !== null && text === String(uid)) return true
  return matchesPattern(pattern, name, 'strict')
}

function matchesAny(patterns: readonly Pattern[] | null, text: string, isWide: boolean): boolean {
  return patterns?.some((one) => matchesPattern(one, text, isWide ? 'generous' : 'strict')) ?? false
}

function exceedsLimits({ limits }: Policy, question: Question): Decision | undefined {
  const { timeoutSeconds, contentBytes } = question
  if (limits.timeoutSeconds !== undefined && timeoutSeconds > limits.timeoutSeconds) {
    const why = `it asks for ${timeoutSeconds} s, and the policy gives a command ${limits.timeoutSeconds} s; ask for a shorter timeout`
    return overLimit('timeoutSeconds', why)
  }
  if (limits.contentBytes !== undefined && contentBytes > limits.contentBytes) {
    const why = `it brings ${contentBytes} bytes, and the policy takes ${limits.contentBytes}`
    return overLimit('contentBytes', why)
  }
  return undefined
}

function overLimit(limit: keyof Policy['limits'], why: string): Decision {
  return { allowed: false, rule: `limits.${limit}`, why, isBuiltIn: false }
}

/** What is asked for, without the words of a program: they may hold secrets. */
function describeQuestion({ operation, user, program, path, port }: Question): string {
  const what = program?.isScript
    ? `a script through ${program.argv[0] ?? ''}`
    : (program?.found ?? program?.argv[0] ?? path?.leadsTo ?? (port === null ? '' : `port ${port}`))
  const as = user === null ? '' : ` as ${user.name}`
  return `${operation}${what === '' ? '' : ` of ${what.slice(0, 1024)}`}${as}`
}

/** Where a rule allows the same but for a variable, it is not the program that is refused. */
function describeVariable({ rules }: Policy, question: Question): string {
  const bare = { ...question, environment: [] }
  const near = rules.find((rule) => rule.effect === 'allow' && fitRule(rule, bare).fits)
  const other = near && findUnnamed(near.environment, question.environment)
  if (other === undefined) return ''
  return ` with the variable ${other.slice(0, 256)}; rule "${near?.name}" does not name it in its environment`
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function not(because: string): RuleVerdict {
  return { fits: false, because }
}
