import { z } from 'zod'
import { isInterpreter } from './interpreters.ts'
import { hasWildcard } from './patterns.ts'

/**
 * The operations that rules speak of. `cancel` and `credentials` are always allowed: the one only ends commands, and
 * without the other an agent loses its queue.
 */
export const governedOperations = ['exec', 'write', 'read', 'http', 'stdin', 'ping'] as const
export type GovernedOperation = (typeof governedOperations)[number]

/** What each condition of a rule applies to; a rule that uses it speaks of these operations only. */
const conditions = {
  argv: ['exec'],
  interpreters: ['exec'],
  environment: ['exec'],
  users: ['exec', 'read', 'write'],
  paths: ['read', 'write'],
  ports: ['http'],
} as const satisfies Record<string, readonly GovernedOperation[]>

const Pattern = z
  .string()
  .min(1)
  .max(1024)
  .refine((text) => !text.includes('\0'), 'holds a NUL byte')
  .refine((text) => !/(?:^|[^\\])(?:\\\\)*\\$/.test(text), 'ends with a lone backslash')

const PathPattern = Pattern.refine((text) => text.startsWith('/'), 'must begin with /').refine(
  (text) => !text.split('/').some((part) => part === '.' || part === '..'),
  'must not hold . or .. : write the path as it really is',
)

const Program = Pattern.refine(
  (text) => !text.includes('/') || PathPattern.safeParse(text).success,
  'is a whole path, such as /usr/bin/id, or a name without a slash; without . and ..',
)

const Operations = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.enum(governedOperations)).min(1),
)

/** One list where a list of them is due is what people write first. */
const listOfLists = {
  error: ({ code }: { code: string }) =>
    code === 'invalid_type'
      ? 'must be a list: write a list of lists, such as [[ls, -l]]'
      : undefined,
}

/** `argv` of a command: the program, then a pattern for each word; a last `**` takes all the words that follow. */
const Argv = z
  .array(Pattern, listOfLists)
  .min(1)
  .max(256)
  .refine(([program]) => Program.safeParse(program).success, {
    message: 'begins with a whole path, such as /usr/bin/id, or a name without a slash',
  })

/** `8080`, or `"8000-8099"`. */
const Ports = z.union([z.number(), z.string()]).transform((written, context) => {
  const [first = Number.NaN, last = first] =
    /^(\d{1,5})(?:-(\d{1,5}))?$/
      .exec(String(written))
      ?.slice(1)
      .flatMap((text) => (text === undefined ? [] : [Number(text)])) ?? []
  if (first >= 1 && first <= last && last <= 65_535) return { first, last }
  context.addIssue({ code: 'custom', message: 'must be a port, or a range such as "8000-8099"' })
  return z.NEVER
})

const listLimit = 1024

/** One rule. The first one that fits a command decides about it. */
export const Rule = z
  .strictObject({
    /** What a refusal names. */
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'use 1 to 64 of a-z, 0-9 and - (not first)'),
    /** What it allows, or what it refuses: exactly one of the two. */
    allow: z.exactOptional(Operations),
    refuse: z.exactOptional(Operations),
    /** Which programs with which words. Without `argv` and `interpreters`: all, scripts too. */
    argv: z.exactOptional(z.array(Argv, listOfLists).min(1).max(listLimit)),
    /** Through which programs scripts may be run, and `sh -c`: whoever allows one allows all that its user can do. */
    interpreters: z.exactOptional(z.array(Program).min(1).max(listLimit)),
    /** Names of variables that a command may bring. Without: any, but none where the rule names programs. */
    environment: z.exactOptional(z.array(Pattern).max(listLimit)),
    /** As whom: names or numbers. Without: anybody. */
    users: z.exactOptional(z.array(Pattern).min(1).max(listLimit)),
    /** Which files. Without: all. */
    paths: z.exactOptional(z.array(PathPattern).min(1).max(listLimit)),
    /** Which ports of this instance. Without: all. */
    ports: z.exactOptional(z.array(Ports).min(1).max(listLimit)),
    /** Whether a `write` may set set-user and set-group bits, and give the file to another than its user. */
    ownerAndSetId: z.exactOptional(z.boolean()),
  })
  .superRefine((rule, context) => {
    const complain = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message })
    if ((rule.allow === undefined) === (rule.refuse === undefined)) {
      complain('name', `rule "${rule.name}" must have exactly one of allow and refuse`)
    }
    const spoken = rule.allow ?? rule.refuse ?? []
    if (rule.ownerAndSetId !== undefined && !rule.allow?.includes('write')) {
      complain('ownerAndSetId', 'belongs to a rule that allows write')
    }
    for (const [key, fitting] of Object.entries(conditions)) {
      if (!(key in rule)) continue
      const other = spoken.find((operation) => !fitting.some((one) => one === operation))
      if (other) complain(key, `says nothing about ${other}; make a rule of its own for ${other}`)
    }
    if (rule.allow) for (const argv of rule.argv ?? []) complainAboutInterpreter(argv, complain)
  })
export type Rule = z.output<typeof Rule>

/** An open pattern for a shell would allow everything, by `-c`: that must be said in so many words. */
function complainAboutInterpreter(
  argv: readonly string[],
  complain: (key: string, message: string) => void,
): void {
  const [program = ''] = argv
  const name = program.slice(program.lastIndexOf('/') + 1)
  if (!isInterpreter(name) || !argv.some(hasWildcard)) return
  complain(
    'argv',
    `${program} runs whatever it is given; name it in interpreters, or write all its words without wildcards`,
  )
}

/** Bounds on what an allowed command may use. */
export const PolicyLimits = z.strictObject({
  /** The longest timeout a command may ask for, in seconds; one that asks for more is refused. */
  timeoutSeconds: z.exactOptional(z.number().min(0.001).max(2_592_000)),
  /** How many commands run at once; the others wait. */
  concurrency: z.exactOptional(z.int().min(1).max(1024)),
  /** All output of one command, in bytes; one that prints more is ended. */
  outputBytes: z.exactOptional(z.int().min(0)),
  /** The largest content (a file, a script) of one command, in bytes; one with more is refused. */
  contentBytes: z.exactOptional(z.int().min(0)),
})
export type PolicyLimits = z.output<typeof PolicyLimits>

export const presetNames = ['sahara', 'read-only', 'nothing'] as const
export type PresetName = (typeof presetNames)[number]

/** The policy file. The tenant writes it, so that a misspelt key is an error. */
export const PolicyFile = z
  .strictObject({
    version: z.literal(1),
    /** `observe`: what would be refused is run, and told to log and audit log. */
    mode: z.enum(['enforce', 'observe']).default('enforce'),
    /** Rules that come after the file's own. */
    preset: z.enum(presetNames).default('nothing'),
    limits: PolicyLimits.prefault({}),
    rules: z.array(Rule).max(listLimit).default([]),
  })
  .superRefine(({ rules }, context) => {
    const names = rules.map(({ name }) => name)
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) === index) continue
      const message = `a second rule "${name}"; a refusal must name one rule`
      context.addIssue({ code: 'custom', path: ['rules', index, 'name'], message })
    }
  })
export type PolicyFile = z.output<typeof PolicyFile>
