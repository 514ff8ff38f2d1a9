import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { aCommand } from '../../../test/controller-cli/a-command.ts'
import type { Respond } from '../../../test/controller-cli/fake-api.ts'
import { aRunOf, json, openFakeApi, runCli } from '../../../test/controller-cli/fake-api.ts'
import type { CommandState } from '../../api/resources.ts'

const queued = aCommand({ state: 'queued', ended: false, result: null })

test('the terminal hands its keys over once an agent has taken the command, and is itself again at the end', async () => {
  const states: CommandState[] = ['queued', 'posted', 'accepted']
  const said: string[] = []
  const raw = Promise.withResolvers<void>()
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (on: boolean) => {
      said.push(on ? 'raw' : 'itself')
      if (on) raw.resolve()
    },
  })
  const routes: Record<string, Respond> = {
    ...aRunOf(queued),
    [`GET /v1/commands/${queued.id}/output`]: async (response) => {
      await raw.promise
      response.end()
    },
    [`GET /v1/commands/${queued.id}`]: (response) => {
      const state = states.shift()
      if (state !== undefined) said.push(state)
      json(200, state === undefined ? aCommand() : { ...queued, state })(response)
    },
  }
  await using api = await openFakeApi(routes)
  const run = await runCli(api, ['run', 'web/worker-1', '-it', '--', 'top'], { stdin })
  expect(run.exitCode).toBe(0)
  expect(said).toEqual(['queued', 'posted', 'accepted', 'raw', 'itself'])
})
