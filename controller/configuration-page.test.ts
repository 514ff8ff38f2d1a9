import { expect, test } from 'vitest'
import { listSettings, readSettings } from '../protocol/fixtures/settings.ts'
import { ControllerConfig } from './config.ts'

test('docs/configuration.md tells each key of the controller, what it takes and its default', () => {
  const settings = listSettings(ControllerConfig).map((setting) =>
    // The schema wants what whoever reads the file fills in.
    setting.key === 'stateDirectory' ? { key: setting.key } : setting,
  )
  expect(readSettings('The controller').map(({ key }) => key)).toEqual(
    settings.map(({ key }) => key),
  )
  expect(readSettings('The controller')).toMatchObject(settings)
})
