import { describe, expect, test } from 'vitest'
import { aCommand } from '../../../test/controller-cli/a-command.ts'
import { json, openFakeApi, problem, runCli } from '../../../test/controller-cli/fake-api.ts'

describe('command cancel', () => {
  const running = { state: 'accepted', ended: false, endedAt: null, result: null } as const

  test.for([
    [aCommand({ ...running, cancelRequested: true }), 'accepted (cancelling)'],
    [aCommand(), 'succeeded after 2.1s'],
  ] as const)('says where the command stands now: %#', async ([record, state]) => {
    await using api = await openFakeApi({
      [`POST /v1/commands/${record.id}/cancel`]: json(202, record),
    })
    const { exitCode, stdout } = await runCli(api, ['command', 'cancel', record.id])
    expect(exitCode).toBe(0)
    expect(stdout.split('\n').at(1)).toContain(`web/worker-1  ${state}  `)
  })

  test('goes on to the others where one is gone, and fails for that one', async () => {
    const gone = '0197c0de-0000-7000-8000-00000000dead'
    const other = aCommand({ ...running, id: '0197c0de-0000-7000-8000-0000000000c9' })
    await using api = await openFakeApi({
      [`POST /v1/commands/${aCommand().id}/cancel`]: json(202, aCommand(running)),
      [`POST /v1/commands/${gone}/cancel`]: problem(404, 'ERR_COMMAND_NOT_FOUND', 'no command'),
      [`POST /v1/commands/${other.id}/cancel`]: json(202, other),
    })
    const argv = ['command', 'cancel', aCommand().id, gone, other.id]
    const people = await runCli(api, argv)
    expect(people).toMatchObject({
      exitCode: 255,
      stderr: 'error: no command (ERR_COMMAND_NOT_FOUND)\n',
    })
    const lines = people.stdout.trimEnd().split('\n')
    expect(lines.map((line) => line.split(' ', 1).join())).toEqual(['ID', aCommand().id, other.id])
    const { stdout } = await runCli(api, [...argv, '--json'])
    const ids = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id)
    expect(ids).toEqual([aCommand().id, other.id])
  })
})
