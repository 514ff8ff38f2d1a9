import { randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeWorld } from '../../test/fake-world.ts'
import { openAuditLog } from '../audit/audit-log.ts'

const main = join(import.meta.dirname, '..', 'main.ts')

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sahara-audit-cli-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function writeLines(commands: readonly string[]): Promise<void> {
  const options = { directory, fileBytes: 2 ** 20, files: 4, onTampered: () => undefined }
  await using log = openAuditLog(options, fakeWorld())
  for (const command of commands) log.append({ event: 'begun', command })
}

async function audit(words: readonly string[], asUser: readonly string[] = []) {
  const [program = '', ...rest] = [...asUser, process.execPath, main, 'audit', ...words]
  return await execa(program, [...rest, '--directory', directory], { reject: false })
}

describe('sahara-agent audit', () => {
  test.for(['show', 'verify'])('%s fails where there is no log', async (subcommand) => {
    const { exitCode, stdout, stderr } = await audit([subcommand])
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toMatch(/^error: there is no audit log in .* \(ERR_AUDIT_BROKEN\)$/)
  })

  test('verify fails where the log holds no line', async () => {
    writeFileSync(join(directory, '0000000000000001.jsonl'), '')
    const { exitCode, stderr } = await audit(['verify'])
    expect(exitCode).toBe(1)
    expect(stderr).toContain('there is no line of the log')
  })

  test('show tells the lines of a command, and of one without lines that there are none', async () => {
    const [one, two, none] = [randomUUID(), randomUUID(), randomUUID()] as const
    await writeLines([one, two, one])
    const shown = await audit(['show', '--command', one.toUpperCase()])
    expect(shown.exitCode).toBe(0)
    expect(shown.stdout.split('\n')).toHaveLength(2)
    const missed = await audit(['show', '--command', none])
    expect(missed.exitCode).toBe(1)
    expect(missed.stderr).toBe(`error: no line is about command ${none} (ERR_COMMAND_NOT_FOUND)`)
    expect(await audit(['show', '--command', 'zzz'])).toMatchObject({ exitCode: 2 })
  })

  test.skipIf(process.geteuid?.() !== 0)('says that another user must become root', async () => {
    await writeLines([randomUUID()])
    chmodSync(directory, 0o700)
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    const { exitCode, stderr } = await audit(['show'], nobody)
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/is for the agent’s user only; run this as root \(ERR_LOCAL_FILE\)$/)
  })
})
