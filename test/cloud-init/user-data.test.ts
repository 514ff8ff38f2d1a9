import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { renderUserData } from '../../cloud-init/render-user-data.ts'
import { Bootstrap } from '../../protocol/messages/enrolment.ts'
import { aBootstrap } from './a-bootstrap.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'user-data-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('the cloud-config', () => {
  test('passes cloud-init’s own schema without a warning', async ({ skip }) => {
    skip(!isInstalled('cloud-init'), 'cloud-init is not installed (apt-get install cloud-init)')
    const file = join(directory, 'user-data')
    await writeFile(file, renderUserData(aBootstrap(), 'cloud-config'))
    const { all } = await execa('cloud-init', ['schema', '--config-file', file], { all: true })
    expect(all).toMatch(/^Valid cloud-config: \S+$/)
  })
})

describe('the script', () => {
  test.for(['022', '000'])(
    'writes exactly the bootstrap, for its owner alone, under umask %s',
    async (umask) => {
      const { bootstrapPath, calls } = await runScript({ umask })
      expect(Bootstrap.parse(JSON.parse(await readFile(bootstrapPath, 'utf8')))).toEqual(
        aBootstrap(),
      )
      expect((await stat(bootstrapPath)).mode & 0o777).toBe(0o600)
      expect((await stat(join(bootstrapPath, '..'))).mode & 0o777).toBe(0o700)
      expect(await readdir(join(bootstrapPath, '..'))).toEqual(['bootstrap.json'])
      expect(calls).toEqual(['enable --now --no-block sahara-agent.service'])
    },
  )

  test('takes a bootstrap as text, whatever sh might see in it', async () => {
    const certificateAuthority =
      '$(touch x) `id` $HOME \' " \\n \\\\ %s\nEND_OF_BOOTSTRAP\nZürich 🔑'
    const { bootstrapPath } = await runScript({ bootstrap: aBootstrap({ certificateAuthority }) })
    const written = Bootstrap.parse(JSON.parse(await readFile(bootstrapPath, 'utf8')))
    expect(written.certificateAuthority).toBe(certificateAuthority)
  })

  test('replaces the bootstrap of the image’s former life', async () => {
    await runScript({ bootstrap: aBootstrap({ clusterName: 'old' }) })
    const { bootstrapPath } = await runScript({ bootstrap: aBootstrap({ clusterName: 'new' }) })
    expect(await readFile(bootstrapPath, 'utf8')).toContain('"new"')
  })

  test('prepares a mounted image without starting anything', async () => {
    const { calls } = await runScript({ env: { SAHARA_AGENT_ROOT: directory }, path: '/in/b.json' })
    expect(calls).toEqual([`--root=${directory} enable sahara-agent.service`])
    expect((await stat(join(directory, 'in/b.json'))).mode & 0o777).toBe(0o600)
  })

  test('fails, and leaves no draft behind, where the agent’s unit is missing', async () => {
    const { failed, exitCode } = await runScript({ systemctlExitCode: 1 })
    expect({ failed, exitCode }).toEqual({ failed: true, exitCode: 1 })
    expect(await readdir(join(directory, 'etc/sahara-agent'))).toEqual(['bootstrap.json'])
  })

  test('has nothing that shellcheck objects to', async ({ skip }) => {
    skip(!isInstalled('shellcheck'), 'shellcheck is not installed (apt-get install shellcheck)')
    const input = renderUserData(aBootstrap(), 'script')
    await execa('shellcheck', ['--enable=all', '--exclude=SC2250', '-'], { input })
  })
})

describe('the unit', () => {
  test('is one that systemd takes without a word', async ({ skip }) => {
    skip(!isInstalled('systemd-analyze'), 'systemd-analyze is not installed')
    const unit = await readFile(
      new URL('../../cloud-init/sahara-agent.service', import.meta.url),
      'utf8',
    )
    const file = join(directory, 'sahara-agent.service')
    await writeFile(file, unit.replace('/usr/bin/sahara-agent', '/bin/true'))
    const { all } = await execa('systemd-analyze', ['verify', '--man=no', file], { all: true })
    expect(all.split('\n').filter((line) => line.includes('sahara-agent'))).toEqual([])
  })
})

interface Run {
  bootstrap?: Bootstrap
  umask?: string
  env?: Record<string, string>
  path?: string
  systemctlExitCode?: number
}

/** Runs the script as a guest would, with a `systemctl` that only writes down how it is called. */
async function runScript({ bootstrap = aBootstrap(), umask = '022', env, path, ...run }: Run) {
  const bootstrapPath = path ?? join(directory, 'etc/sahara-agent/bootstrap.json')
  const record = join(directory, 'systemctl-calls')
  const systemctl = join(directory, 'systemctl')
  await writeFile(
    systemctl,
    `#!/bin/sh\necho "$*" >>'${record}'\nexit ${run.systemctlExitCode ?? 0}\n`,
  )
  await chmod(systemctl, 0o700)
  const script = join(directory, 'user-data')
  await writeFile(script, renderUserData(bootstrap, 'script', { bootstrapPath }))
  const { failed, exitCode } = await execa('sh', ['-c', `umask ${umask}; exec sh '${script}'`], {
    env: { ...env, PATH: `${directory}:${process.env['PATH']}` },
    reject: run.systemctlExitCode === undefined,
  })
  const calls = (await readFile(record, 'utf8')).trim().split('\n')
  return { bootstrapPath, calls, failed, exitCode }
}

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}
