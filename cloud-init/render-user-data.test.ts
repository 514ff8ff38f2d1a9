import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { Bootstrap } from '../protocol/messages/enrolment.ts'
import { aBootstrap } from '../test/cloud-init/a-bootstrap.ts'
import { renderUserData } from './render-user-data.ts'

const CloudConfig = z.object({
  write_files: z.tuple([
    z.strictObject({
      path: z.string(),
      owner: z.literal('root:root'),
      permissions: z.literal('0600'),
      encoding: z.literal('b64'),
      content: z.base64(),
    }),
  ]),
  runcmd: z.array(z.array(z.string())),
})

const limitBytes = 16 * 1024

describe('a cloud-config', () => {
  test('writes the bootstrap for root alone, and starts the agent without waiting for it', () => {
    const bootstrap = aBootstrap()
    const text = renderUserData(bootstrap, 'cloud-config')
    expect(text.startsWith('#cloud-config\n')).toBe(true)
    const config = CloudConfig.parse(parse(text))
    expect(config.write_files[0].path).toBe('/etc/sahara-agent/bootstrap.json')
    expect(readBootstrap(config.write_files[0].content)).toEqual(bootstrap)
    expect(config.runcmd).toEqual([
      ['systemctl', 'enable', '--now', '--no-block', 'sahara-agent.service'],
    ])
  })

  test('puts the bootstrap where it is told to', () => {
    const text = renderUserData(aBootstrap(), 'cloud-config', { bootstrapPath: '/srv/b.json' })
    expect(CloudConfig.parse(parse(text)).write_files[0].path).toBe('/srv/b.json')
    expect(text).not.toContain('/etc/sahara-agent')
  })
})

describe.each(['cloud-config', 'script'] as const)('user-data as a %s', (format) => {
  test('is small enough for every cloud, and ASCII', () => {
    const text = renderUserData(aBootstrap({ certificateAuthority: '# Zürich 🔑\n' }), format)
    expect(Buffer.byteLength(text)).toBeLessThan(limitBytes)
    expect(text).toMatch(/^\p{ASCII}*$/v)
  })

  test('is refused when it would be longer than a metadata service may take', () => {
    const certificateAuthority = 'A'.repeat(limitBytes)
    expect(() => renderUserData(aBootstrap({ certificateAuthority }), format)).toThrow(
      expect.objectContaining({ code: 'ERR_USER_DATA_TOO_LARGE' }),
    )
  })

  test.for([
    'relative/path.json',
    "/etc/it's.json",
    '/etc/$(reboot)/b.json',
    '/etc/a b.json',
    '/etc/../b.json',
    '/',
    '',
  ])('refuses the bootstrap path %j, which sh or YAML could take for something else', (path) => {
    expect(() => renderUserData(aBootstrap(), format, { bootstrapPath: path })).toThrow(/absolute/)
  })
})

function readBootstrap(base64: string): Bootstrap {
  return Bootstrap.parse(JSON.parse(Buffer.from(base64, 'base64').toString('utf8')))
}
