import { describe, expect, test } from 'vitest'
import { aCommand } from '../../../test/controller-cli/a-command.ts'
import { json, openFakeApi, runCli } from '../../../test/controller-cli/fake-api.ts'

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
})
