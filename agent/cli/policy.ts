import { readFile } from 'node:fs/promises'
import { Argument, Command, Option } from 'commander'
import { z } from 'zod'
import { Operation } from '../../protocol/messages/command.ts'
import { PolicyInvalidError } from '../errors.ts'
import { ownPaths } from '../own-paths.ts'
import type { CompiledRule } from '../policy/compile-policy.ts'
import { decide, fitRule } from '../policy/decide.ts'
import { examineCommand, isGoverned } from '../policy/examine-command.ts'
import { governedOperations, presetNames } from '../policy/policy-file.ts'
import { presets } from '../policy/presets.ts'
import { type LoadedPolicy, readPolicy } from '../policy/read-policy.ts'
import { renderPolicy } from '../policy/render-policy.ts'
import { readAgentConfig } from '../read-config.ts'
import { errnoOf } from '../runner/command-record.ts'
import { print } from './output.ts'

const examples = `
Examples:
  $ sahara-agent policy check
  $ sahara-agent policy check ./policy.yaml
  $ sahara-agent policy explain --user hadoop -- systemctl restart hadoop-namenode
  $ sahara-agent policy explain --operation read /etc/shadow
  $ sahara-agent policy show
  $ sahara-agent policy init --preset sahara > /etc/sahara-agent/policy.yaml

Run them as the user that the agent runs as (root), so that they see what it sees. Reference: docs/policy.md.`

/** `sahara-agent policy`: checks, explains and shows the tenant's policy. */
export function policyCommandLine(): Command {
  const policy = new Command('policy')
    .description('check, explain and show what the agent may do on this instance')
    .addHelpText('after', examples)
  policy
    .command('check')
    .description('say whether a policy file is valid; exits with 1 if not')
    .addArgument(new Argument('[file]', 'default: policyPath of the configuration'))
    .addOption(configOption())
    .option('--json', 'one JSON document on standard output')
    .action(check)
  policy
    .command('explain')
    .description('say which rule decides about a command, and why; exits with 1 if it is refused')
    .argument('[words...]', 'the program and its words; for other operations the path, or the URL')
    .addOption(
      new Option('--operation <name>', 'what is asked for')
        .choices(governedOperations)
        .default('exec'),
    )
    .option('--user <user>', 'as whom (default: the user that runs this)')
    .option('--script', 'the words are the interpreter of a script')
    .option('--env <name...>', 'names of variables that it brings')
    .option('--timeout <seconds>', 'the timeout that it asks for', '3600')
    .option('--content <bytes>', 'the size of its content', '0')
    .option('--policy <file>', 'default: policyPath of the configuration')
    .addOption(configOption())
    .option('--json', 'one JSON document on standard output')
    .configureOutput({ outputError: (text, write) => write(withHint(text)) })
    .action(explain)
  policy
    .command('show')
    .description('show the policy in effect, with the rules of its preset')
    .addOption(configOption())
    .option('--json', 'one JSON document on standard output')
    .action(show)
  policy
    .command('init')
    .description('print a policy file to begin with')
    .addOption(
      new Option('--preset <name>', 'rules to begin with').choices(presetNames).default('sahara'),
    )
    .action(async ({ preset }: { preset: (typeof presetNames)[number] }) => {
      await print(renderPolicy(preset))
    })
  return policy
}

/** `explain rm -rf /`: what looks like an option of ours is one of the program's. */
function withHint(text: string): string {
  if (!/^error: unknown option [^\n]*\n$/.test(text)) return text
  return `${text.trimEnd()}; the words of a program go behind \`--\`\n`
}

function configOption(): Option {
  return new Option('--config <file>', 'the agent’s configuration')
}

async function check(
  file: string | undefined,
  { config, json }: { config?: string; json?: true },
): Promise<void> {
  const path = file ?? (await readAgentConfig(config)).policyPath
  const { parsePolicy } = await import('../policy/parse-policy.ts')
  const parsed = parsePolicy(await readText(path))
  if (!parsed.ok) {
    const { problems } = parsed
    if (json) await print(`${JSON.stringify({ path, valid: false, problems }, null, 2)}\n`)
    const lines = problems.map(
      ({ line, column, message }) => `${path}:${line}:${column}: ${message}`,
    )
    throw new PolicyInvalidError(`the agent would refuse everything:\n${lines.join('\n')}`)
  }
  // What only the file itself can have wrong: its owner and mode.
  const { source, problem: message } = await readPolicy(path, [])
  if (source === 'broken') {
    const answer = { path, valid: false, problems: [{ message }] }
    if (json) await print(`${JSON.stringify(answer, null, 2)}\n`)
    throw new PolicyInvalidError(`${path}: ${message}`)
  }
  const { mode, preset, rules } = parsed.file
  const answer = { path, valid: true, problems: [], mode, preset, rules: rules.length }
  await print(
    json
      ? `${JSON.stringify(answer, null, 2)}\n`
      : `${path} is valid: mode ${mode}, preset ${preset}, ${rules.length} rules of its own\n`,
  )
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const isAbsent = errnoOf(cause) === 'ENOENT'
    const hint = isAbsent
      ? '; without a policy the preset "sahara" holds, and `sahara-agent policy init` prints one to begin with'
      : ''
    throw new PolicyInvalidError(`cannot read the policy: ${why}${hint}`, { cause })
  }
}

interface ExplainOptions {
  operation: (typeof governedOperations)[number]
  user?: string
  script?: true
  env?: string[]
  timeout: string
  content: string
  policy?: string
  config?: string
  json?: true
}

async function explain(words: string[], options: ExplainOptions): Promise<void> {
  const config = await readAgentConfig(options.config)
  const path = options.policy ?? config.policyPath
  const loaded = await readPolicy(path, ownPaths(config))
  const operation = toOperation(words, options)
  if (!isGoverned(operation)) return
  const size = Number(options.content)
  const question = await examineCommand(
    operation,
    {
      timeoutSeconds: Number(options.timeout),
      ...(size > 0 ? { content: { size, sha256: '' } } : {}),
    },
    loaded.policy,
  )
  const decision = decide(loaded.policy, question)
  const asked = loaded.policy.rules.map((rule) => ({ rule: rule.name, ...fitRule(rule, question) }))
  const last = asked.findIndex(({ fits }) => fits)
  const passed = last === -1 ? asked : asked.slice(0, last)
  const isLetPass = loaded.policy.mode === 'observe' && !decision.isBuiltIn && !decision.allowed
  process.exitCode = decision.allowed || isLetPass ? 0 : 1
  if (options.json) {
    const { allowed, rule, why } = decision
    const answer = { allowed, rule, why, mode: loaded.policy.mode, source: loaded.source, passed }
    await print(`${JSON.stringify(answer, null, 2)}\n`)
    return
  }
  const verdict = decision.allowed
    ? 'allowed'
    : isLetPass
      ? 'observed (it would be refused)'
      : 'refused'
  const lines = [
    describeSource(loaded),
    `${verdict} by ${decision.rule}: ${decision.why}`,
    ...passed.map((one) => `  not ${one.rule}: ${'because' in one ? one.because : ''}`),
  ]
  await print(`${lines.join('\n')}\n`)
}

function toOperation(words: readonly string[], options: ExplainOptions): Operation {
  const { operation: name, user, script, env = [] } = options
  const [first] = words
  const as = user === undefined ? {} : { user }
  const fields = {
    exec: {
      ...as,
      env: Object.fromEntries(env.map((each) => [each, ''])),
      ...(script ? { script: '#', ...(first ? { interpreter: words } : {}) } : { argv: words }),
    },
    read: { ...as, path: first },
    write: { ...as, path: first },
    http: { url: first },
    stdin: { target: '00000000-0000-4000-8000-000000000000', offset: 0, bytes: '' },
    ping: {},
  }[name]
  const parsed = Operation.safeParse({ name, ...fields })
  if (parsed.success) return parsed.data
  throw new PolicyInvalidError(`this is no ${name}: ${z.prettifyError(parsed.error)}; see --help`)
}

async function show({ config: configPath, json }: { config?: string; json?: true }): Promise<void> {
  const config = await readAgentConfig(configPath)
  const loaded = await readPolicy(config.policyPath, ownPaths(config))
  const { mode, preset, limits, rules } = loaded.policy
  if (json) {
    const { source, path, problem, sha256 } = loaded
    const shown = rules.map(({ name, effect, operations }) => ({ name, effect, operations }))
    const answer = { source, path, problem, sha256, mode, preset, limits, rules: shown }
    await print(`${JSON.stringify(answer, null, 2)}\n`)
    return
  }
  const bounds = Object.entries(limits).map(([name, value]) => `${name} ${value}`)
  const lines = [
    describeSource(loaded),
    `mode: ${mode}`,
    `preset: ${preset} (${presets[preset].purpose})`,
    `limits: ${bounds.join(', ') || 'none'}`,
    'rules, the first that fits decides:',
    ...rules.map(describeRule),
    '  built-in/default: refuse the rest',
  ]
  await print(`${lines.join('\n')}\n`)
}

function describeSource({ source, path, problem }: LoadedPolicy): string {
  if (source === 'file') return `policy: ${path}`
  if (source === 'absent') return `policy: ${path} does not exist, so the preset "sahara" holds`
  return `policy: ${path} CANNOT BE USED, so everything is refused: ${problem}`
}

function describeRule({ name, effect, operations, ...rule }: CompiledRule): string {
  const conditions = (['argv', 'interpreters', 'environment', 'users', 'paths', 'ports'] as const)
    .filter((key) => rule[key] !== null)
    .map((key) => `${key} (${rule[key]?.length})`)
  const where = conditions.length === 0 ? '' : `, for its ${conditions.join(', ')}`
  return `  ${name}: ${effect} ${operations.join(', ')}${where}`
}
