import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePolicy } from './compile-policy.ts'
import { decide, fitRule } from './decide.ts'
import { PolicyFile } from './policy-file.ts'
import type { AskedProgram, Question } from './question.ts'

const root = { name: 'root', uid: 0 }
const ubuntu = { name: 'ubuntu', uid: 1000 }

function aProgram(argv: string[], differences: Partial<AskedProgram> = {}): AskedProgram {
  const [name = ''] = argv
  const found = name.startsWith('/') ? name : `/usr/bin/${name}`
  return {
    isScript: false,
    argv,
    found,
    target: found,
    isOfSystem: found.startsWith('/usr/bin/'),
    ...differences,
  }
}

function aQuestion(differences: Partial<Question>): Question {
  return {
    operation: 'exec',
    user: root,
    program: null,
    environment: [],
    path: null,
    port: null,
    setsOwnerOrId: false,
    timeoutSeconds: 60,
    contentBytes: 0,
    ...differences,
  }
}

const exec = (argv: string[], differences: Partial<Question> = {}) =>
  aQuestion({ program: aProgram(argv), ...differences })
const script = (interpreter: string, differences: Partial<Question> = {}) =>
  aQuestion({ program: aProgram([interpreter], { isScript: true }), ...differences })
const file = (operation: 'read' | 'write', leadsTo: string, names: string[] = [leadsTo]) =>
  aQuestion({ operation, path: { leadsTo, names } })

const web = (port: number) => aQuestion({ operation: 'http', user: null, port })

/** A stock distribution's links. */
const resolvePath = (path: string): string | null => {
  if (path === '/bin') return '/usr/bin'
  if (path === '/etc/resolv.conf') return '/run/resolv.conf'
  return path
}

function aPolicy(written: object) {
  return compilePolicy(PolicyFile.parse({ version: 1, ...written }), {
    ownPaths: ['/var/lib/sahara-agent'],
    resolvePath,
  })
}

const decided = (written: object, question: Question) => {
  const { allowed, rule } = decide(aPolicy(written), question)
  return { allowed, rule }
}
const rule = (fields: object) => ({ rules: [{ name: 'it', ...fields }] })
const byDefault = { allowed: false, rule: 'built-in/default' }

describe('a policy', () => {
  test('lets the first rule decide that fits, and refuses what none fits', () => {
    const policy = {
      rules: [
        { name: 'yes', allow: 'read', paths: ['/etc/hadoop/**'] },
        { name: 'no', refuse: 'read', paths: ['/etc/**'] },
        { name: 'rest', allow: 'read' },
      ],
    }
    expect(decided(policy, file('read', '/etc/hadoop/core.xml'))).toEqual({
      allowed: true,
      rule: 'yes',
    })
    expect(decided(policy, file('read', '/etc/passwd'))).toEqual({ allowed: false, rule: 'no' })
    expect(decided(policy, file('read', '/srv/x'))).toEqual({ allowed: true, rule: 'rest' })
    expect(decided(policy, file('write', '/srv/x'))).toEqual(byDefault)
  })

  test.for([
    ['sahara', exec(['sh', '-c', 'reboot']), true, 'sahara/commands'],
    ['sahara', script('/bin/bash', { environment: ['LD_PRELOAD'] }), true, 'sahara/commands'],
    ['sahara', file('write', '/etc/passwd'), true, 'sahara/files'],
    ['sahara', aQuestion({ operation: 'http', port: 8080 }), true, 'sahara/web'],
    ['read-only', file('read', '/etc/hosts'), true, 'read-only/files'],
    ['read-only', file('read', '/etc/shadow'), false, 'read-only/secrets'],
    ['read-only', file('read', '/home/u/.ssh/id_rsa'), false, 'read-only/secrets'],
    ['read-only', file('write', '/etc/hosts'), false, 'built-in/default'],
    ['read-only', exec(['id']), false, 'built-in/default'],
    ['nothing', aQuestion({ operation: 'ping' }), false, 'built-in/default'],
  ] as const)(
    'of the preset %s, asked %j, answers %s by %s',
    ([preset, question, allowed, name]) => {
      expect(decided({ preset }, question)).toEqual({ allowed, rule: name })
    },
  )

  test.for([
    '/var/lib/cloud/instance/user-data.txt',
    '/run/cloud-init/instance-data-sensitive.json',
    '/run/cloud-init/combined-cloud-config.json',
    '/root/.aws/credentials',
    '/home/u/.netrc',
    '/home/u/.pgpass',
    '/etc/krb5.keytab',
    '/etc/security/keytabs/nn.service.keytab',
    '/etc/ssl/private/server.key',
    '/etc/pki/tls/private/server.key',
  ])('of the preset read-only keeps the secret %s', (path) => {
    const secret = { allowed: false, rule: 'read-only/secrets' }
    expect(decided({ preset: 'read-only' }, file('read', path))).toEqual(secret)
  })

  test.for(['sahara', 'read-only', 'nothing'])(
    'with the preset %s never hands out the agent’s own files',
    (preset) => {
      const own = { allowed: false, rule: 'built-in/own-files' }
      expect(decided({ preset }, file('read', '/var/lib/sahara-agent/identity.json'))).toEqual(own)
      expect(decided({ preset }, file('write', '/var/lib/sahara-agent'))).toEqual(own)
    },
  )

  test.for([
    [{ timeoutSeconds: 59 }, 'limits.timeoutSeconds'],
    [{ contentBytes: 9 }, 'limits.contentBytes'],
  ] as const)('with the limits %j refuses more, and names the limit', ([limits, name]) => {
    const policy = { preset: 'sahara', limits }
    expect(decided(policy, exec(['id'], { contentBytes: 10 }))).toEqual({
      allowed: false,
      rule: name,
    })
    const less = exec(['id'], { timeoutSeconds: 59, contentBytes: 9 })
    expect(decided(policy, less).allowed).toBe(true)
  })
})

describe('a rule that allows programs', () => {
  test.for([
    // Exactly these words.
    [
      ['/usr/bin/systemctl', 'restart', 'hadoop-*'],
      ['/usr/bin/systemctl', 'restart', 'hadoop-nn'],
      true,
    ],
    [
      ['/usr/bin/systemctl', 'restart', 'hadoop-*'],
      ['/usr/bin/systemctl', 'restart', 'sshd'],
      false,
    ],
    [
      ['/usr/bin/systemctl', 'restart', 'hadoop-*'],
      ['/usr/bin/systemctl', 'restart', 'hadoop-nn', 'x'],
      false,
    ],
    [['/usr/bin/systemctl', 'restart', 'hadoop-*'], ['/usr/bin/systemctl', 'restart'], false],
    // Its whole path, by one name or the other.
    [['/bin/id'], ['/usr/bin/id'], true],
    [['id'], ['/usr/bin/id'], true],
    [['id'], ['/tmp/id'], false],
    [['/usr/bin/*'], ['/usr/bin/id'], true],
    [['/usr/bin/*'], ['/usr/bin/deep/id'], false],
    [['/opt/**'], ['/opt/a/b/c'], true],
    // No option where a value is expected, but for the rest.
    [['cat', '*'], ['cat', '/any/file'], true],
    [['cat', '*'], ['cat', '--help'], false],
    [['cat', '-*'], ['cat', '-n'], true],
    [['ls', '**'], ['ls', '-l', '/'], true],
    [['ls', '**'], ['ls'], true],
    // No way out of a folder.
    [['cat', '/data/*'], ['cat', '/data/x'], true],
    [['cat', '/data/*'], ['cat', '/data/x/y'], false],
    [['cat', '/data/*'], ['cat', '/data/..'], false],
    [['cat', '/data/**'], ['cat', '/data/x/y'], true],
    [['cat', '/data/**'], ['cat', '/data/../etc/shadow'], false],
    [['cat', '/data/**'], ['cat', '/data/x/../../etc/shadow'], false],
    [['cat', '/data/\\*'], ['cat', '/data/*'], true],
    [['cat', '/data/\\*'], ['cat', '/data/x'], false],
  ] as const)('as %j meets %j: %s', ([pattern, argv, allowed]) => {
    expect(decided(rule({ allow: 'exec', argv: [pattern] }), exec([...argv])).allowed).toBe(allowed)
  })

  test('does not take a link elsewhere for the program that it leads to', () => {
    const question = aQuestion({
      program: aProgram(['/tmp/tar'], {
        found: '/tmp/tar',
        target: '/usr/bin/tar',
        isOfSystem: false,
      }),
    })
    expect(decided(rule({ allow: 'exec', argv: [['/usr/bin/tar', '**']] }), question)).toEqual(
      byDefault,
    )
    expect(decided(rule({ refuse: 'exec', argv: [['/usr/bin/tar', '**']] }), question).rule).toBe(
      'it',
    )
  })

  test.for([
    ['a shell with a text', exec(['sh', '-c', 'id'])],
    ['a shell by its path', exec(['/usr/bin/bash', '-c', 'id'])],
    ['a versioned interpreter', exec(['python3.12', '-c', 'import os'])],
    ['a program that starts others', exec(['env', 'sh', '-c', 'id'])],
    [
      'a link to a shell',
      aQuestion({ program: aProgram(['/usr/bin/x'], { target: '/usr/bin/dash' }) }),
    ],
    [
      'a shell by a name of its own',
      aQuestion({ program: aProgram(['sh'], { found: '/usr/bin/x' }) }),
    ],
    ['a script', script('/bin/sh')],
  ] as const)('by a wildcard does not allow %s', ([, question]) => {
    expect(decided(rule({ allow: 'exec', argv: [['/usr/bin/*', '**']] }), question)).toEqual(
      byDefault,
    )
  })

  test('allows a shell with exactly these words', () => {
    const argv = ['/usr/bin/sh', '/opt/run.sh', '--once']
    expect(decided(rule({ allow: 'exec', argv: [argv] }), exec(argv)).allowed).toBe(true)
    expect(decided(rule({ allow: 'exec', argv: [argv] }), exec([...argv, 'x'])).allowed).toBe(false)
  })

  test.for([
    ['a script for it', script('/usr/bin/bash'), true],
    ['its -c', exec(['bash', '-c', 'id']), true],
    ['another interpreter', script('/usr/bin/python3'), false],
    ['a plain program', exec(['id']), false],
  ] as const)('by interpreters allows, of %s, %s', ([, question, allowed]) => {
    expect(decided(rule({ allow: 'exec', interpreters: ['/bin/bash'] }), question).allowed).toBe(
      allowed,
    )
  })

  test.for([
    ['none, where the rule names programs', { argv: [['id']] }, ['LD_PRELOAD'], false],
    [
      'those that it names',
      { argv: [['id']], environment: ['LANG', 'LC_*'] },
      ['LC_ALL', 'LANG'],
      true,
    ],
    ['no others', { argv: [['id']], environment: ['LC_*'] }, ['LC_ALL', 'PATH'], false],
    ['any, where it names neither programs nor variables', {}, ['LD_PRELOAD'], true],
  ] as const)('takes as variables %s', ([, fields, environment, allowed]) => {
    expect(decided(rule({ allow: 'exec', ...fields }), exec(['id'], { environment })).allowed).toBe(
      allowed,
    )
  })

  test('says that it refuses a variable, where it allows the program without', () => {
    const policy = aPolicy({
      rules: [
        { name: 'other', allow: 'exec', argv: [['id']] },
        { name: 'list', allow: 'exec', argv: [['ls']], environment: ['LANG'] },
      ],
    })
    const why = (question: Question) => decide(policy, question).why
    expect(why(exec(['ls'], { environment: ['LANG', 'LD_PRELOAD'] }))).toBe(
      'no rule allows exec of /usr/bin/ls as root with the variable LD_PRELOAD; rule "list" does not name it in its environment',
    )
    expect(why(exec(['cat'], { environment: ['LD_PRELOAD'] }))).toBe(
      'no rule allows exec of /usr/bin/cat as root',
    )
  })

  test.for([
    [['root'], root, true],
    [['root'], { name: 'toor', uid: 0 }, true],
    [['0'], root, true],
    [['root'], ubuntu, false],
    [['hadoop-*'], { name: 'hadoop-nn', uid: 999 }, true],
    [['root'], null, false],
  ] as const)('for the users %j meets %j: %s', ([users, user, allowed]) => {
    expect(decided(rule({ allow: 'exec', users }), exec(['id'], { user })).allowed).toBe(allowed)
  })
})

describe('a rule that refuses', () => {
  test.for([
    ['any place of the program', { argv: [['rm', '**']] }, exec(['/opt/rm', '-rf'])],
    [
      'what a link leads to',
      { argv: [['rm', '**']] },
      aQuestion({ program: aProgram(['x'], { target: '/usr/bin/rm' }) }),
    ],
    ['options by a wildcard', { argv: [['rm', '*']] }, exec(['rm', '-rf'])],
    ['dots by a wildcard', { argv: [['cat', '/etc/**']] }, exec(['cat', '/etc/x/../shadow'])],
    ['-c of an interpreter', { interpreters: ['bash'] }, exec(['/usr/bin/bash', '-c', 'id'])],
    [
      'one variable of many',
      { environment: ['LD_*'] },
      exec(['id'], { environment: ['A', 'LD_PRELOAD'] }),
    ],
  ] as const)('holds for %s', ([, fields, question]) => {
    const policy = { preset: 'sahara', rules: [{ name: 'it', refuse: 'exec', ...fields }] }
    expect(decided(policy, question)).toEqual({ allowed: false, rule: 'it' })
  })

  test.for([
    [
      'the name that was asked for',
      ['/srv/secret'],
      file('read', '/mnt/7/secret', ['/srv/secret', '/mnt/7/secret']),
    ],
    ['where it leads', ['/etc/shadow'], file('read', '/etc/shadow', ['/tmp/link', '/etc/shadow'])],
    ['what its own pattern leads to', ['/etc/resolv.conf'], file('read', '/run/resolv.conf')],
  ] as const)('holds for a file by %s', ([, paths, question]) => {
    const policy = { preset: 'sahara', rules: [{ name: 'it', refuse: 'read', paths }] }
    expect(decided(policy, question)).toEqual({ allowed: false, rule: 'it' })
  })
})

describe('a rule that allows files', () => {
  test.for([
    ['/srv/**', '/srv/a/b', true],
    ['/srv/**', '/srvx/a', false],
    ['/srv/*.log', '/srv/a.log', true],
    ['/srv/*.log', '/srv/a/b.log', false],
    ['/srv/?', '/srv/a', true],
    ['/srv/**/x', '/srv/x', true],
    ['/bin/x', '/usr/bin/x', true],
  ] as const)('with %s meets %s: %s', ([pattern, path, allowed]) => {
    expect(decided(rule({ allow: 'read', paths: [pattern] }), file('read', path)).allowed).toBe(
      allowed,
    )
  })

  test('holds for where a path leads, not for its name', () => {
    const question = file('read', '/etc/shadow', ['/srv/link', '/etc/shadow'])
    expect(decided(rule({ allow: 'read', paths: ['/srv/**'] }), question)).toEqual(byDefault)
  })

  test('is bounded by its ports', () => {
    const policy = rule({ allow: 'http', ports: [8080, '9000-9002'] })
    const fits = [8080, 9000, 9002, 80, 9003].map((port) => decided(policy, web(port)).allowed)
    expect(fits).toEqual([true, true, true, false, false])
  })
})

describe('a write that sets a set-id bit or gives the file to another owner', () => {
  const question = { ...file('write', '/srv/x'), setsOwnerOrId: true }

  test.for([
    [{ allow: 'write', paths: ['/srv/**'] }, false],
    [{ allow: ['read', 'write'] }, false],
    [{ allow: 'write', ownerAndSetId: false }, false],
    [{ allow: 'write', ownerAndSetId: true }, true],
    [{ allow: ['read', 'write'], ownerAndSetId: true }, true],
  ] as const)('meets %j: %s', ([fields, allowed]) => {
    expect(decided(rule(fields), question).allowed).toBe(allowed)
    expect(decided(rule(fields), file('write', '/srv/x')).allowed).toBe(true)
  })

  test('is refused by whatever refuses a write', () => {
    const policy = { preset: 'sahara', ...rule({ refuse: 'write', paths: ['/srv/**'] }) }
    expect(decided(policy, question)).toEqual({ allowed: false, rule: 'it' })
    expect(decided({ preset: 'sahara' }, question).allowed).toBe(true)
  })
})

describe('a decision', () => {
  const anyWord = fc.oneof(fc.string(), fc.constantFrom('/a', '..', '**', '*', '-x', '/srv/../etc'))

  test('comes in time and one way or the other, whatever a pattern and a word hold', () => {
    fc.assert(
      fc.property(
        fc.array(anyWord, { minLength: 1, maxLength: 6 }),
        fc.array(anyWord, { minLength: 1 }),
        (pattern, argv) => {
          const parsed = PolicyFile.safeParse({
            version: 1,
            ...rule({ allow: 'exec', argv: [pattern] }),
          })
          if (!parsed.success) return
          const policy = compilePolicy(parsed.data, { ownPaths: [], resolvePath })
          const [, it] = policy.rules
          if (!it) throw new Error('no rule')
          const question = exec(argv)
          expect(decide(policy, question).allowed).toBe(fitRule(it, question).fits)
        },
      ),
    )
  })

  test('takes no long time for a hostile word', () => {
    const policy = aPolicy(rule({ allow: 'exec', argv: [['x', '*a*a*a*a*a*a*a*a*b']] }))
    const begun = performance.now()
    decide(policy, exec(['/usr/bin/x', 'a'.repeat(96 * 1024)]))
    expect(performance.now() - begun).toBeLessThan(2000)
  })

  test('of a pattern without wildcards allows exactly the words that it names', () => {
    const word = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !/[*?\\\0]/.test(text))
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 4 }),
        fc.array(word, { maxLength: 4 }),
        (pattern, argv) => {
          const policy = aPolicy(rule({ allow: 'exec', argv: [['prog', ...pattern]] }))
          const same = JSON.stringify(pattern) === JSON.stringify(argv)
          expect(decide(policy, exec(['prog', ...argv])).allowed).toBe(same)
        },
      ),
    )
  })
})
