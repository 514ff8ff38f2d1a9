import { describe, expect, test } from 'vitest'
import { anInstance } from '../../../test/controller-cli/an-instance.ts'
import { json, openFakeApi, runCli } from '../../../test/controller-cli/fake-api.ts'

describe('instance allow-enrolment', () => {
  const path = '/v1/clusters/web/instances/worker-1/allow-enrolment'

  test.for([
    [[], 'POST', true, 'new key:            allowed, once\n'],
    [['--undo'], 'DELETE', false, 'new key:            not allowed\n'],
  ] as const)('%j says what holds now', async ([options, method, enrolmentAllowed, line]) => {
    await using api = await openFakeApi({
      [`${method} ${path}`]: json(200, anInstance({ enrolmentAllowed })),
    })
    const argv = ['instance', 'allow-enrolment', 'web/worker-1', ...options]
    expect(await runCli(api, argv)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(line),
    })
  })
})
