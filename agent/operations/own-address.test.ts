import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeAddress } from './own-address.ts'

const own = ['10.0.0.5', '2001:db8::5', '169.254.169.254', 'fe80::1', '172.17.0.1']

describe('an address that a request is to go to', () => {
  test.for([
    ['127.0.0.1', 'own'],
    ['127.200.3.4', 'own'],
    ['::1', 'own'],
    ['0:0:0:0:0:0:0:1', 'own'],
    ['10.0.0.5', 'own'],
    ['2001:DB8:0::5', 'own'],
    ['172.17.0.1', 'own'],
    ['10.0.0.6', 'elsewhere'],
    ['2001:db8::6', 'elsewhere'],
    ['8.8.8.8', 'elsewhere'],
    ['0.0.0.0', 'elsewhere'],
    ['::', 'elsewhere'],
    ['::1%lo', 'elsewhere'],
    ['::127.0.0.1', 'elsewhere'],
    ['64:ff9b::7f00:1', 'elsewhere'],
    ['not-an-address', 'elsewhere'],
    ['', 'elsewhere'],
    ['169.254.169.254', 'link-local'],
    ['169.254.0.1', 'link-local'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['febf::9', 'link-local'],
    ['::ffff:127.0.0.1', 'mapped'],
    ['::ffff:7f00:1', 'mapped'],
    ['::ffff:10.0.0.5', 'mapped'],
  ] as const)('%s is judged as %s', ([address, verdict]) => {
    expect(judgeAddress(address, own)).toBe(verdict)
  })

  test('is never link-local, whatever the interfaces say', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        if (!address.startsWith('169.254.')) return
        expect(judgeAddress(address, [address])).toBe('link-local')
      }),
    )
    fc.assert(
      fc.property(fc.nat(65_535), fc.nat(65_535), (third, fourth) => {
        const address = `169.254.${third % 256}.${fourth % 256}`
        expect(judgeAddress(address, [address])).toBe('link-local')
      }),
    )
  })

  test('passes only when it is loopback or one of ours', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (address) => {
        if (judgeAddress(address, []) !== 'own') return
        expect(address).toMatch(/^127\.|1$/)
      }),
    )
  })
})
