import { expect, test } from 'vitest'
import { listSettings, readSettings } from '../protocol/fixtures/settings.ts'
import { AgentConfig } from './config.ts'

test('docs/configuration.md tells each key of the agent, what it takes and its default', () => {
  const settings = listSettings(AgentConfig)
  expect(readSettings('The agent').map(({ key }) => key)).toEqual(settings.map(({ key }) => key))
  expect(readSettings('The agent')).toMatchObject(settings)
})
