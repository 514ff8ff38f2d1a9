import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chooseProxy, showProxy } from './choose-proxy.ts'
import { NetworkOptions, resolveNetwork } from './network-options.ts'

const proxies = { http_proxy: 'http://p.example:3128', https_proxy: 'http://s.example:3128' }

function proxyFor(endpoint: string, env: Record<string, string>, options = {}) {
  const settings = resolveNetwork(NetworkOptions.parse(options), env)
  return chooseProxy(new URL(endpoint), settings).proxy?.host ?? null
}

describe('the proxy for an endpoint', () => {
  test.for([
    ['http://zaqar.example:8888', {}, {}, null],
    ['http://zaqar.example:8888', proxies, {}, 'p.example:3128'],
    ['https://zaqar.example', proxies, {}, 's.example:3128'],
    ['https://zaqar.example', { HTTP_PROXY: 'http://p.example:3128' }, {}, null],
    ['http://zaqar.example', { HTTP_PROXY: 'p.example:3128' }, {}, 'p.example:3128'],
    [
      'http://zaqar.example',
      { http_proxy: 'http://low:1', HTTP_PROXY: 'http://up:1' },
      {},
      'low:1',
    ],
    ['http://zaqar.example', { http_proxy: 'socks5://p:1' }, {}, null],
    ['http://zaqar.example', proxies, { httpProxy: 'http://config:8080' }, 'config:8080'],
    ['http://zaqar.example', proxies, { httpProxy: '' }, null],
    [
      'http://zaqar.example',
      { ...proxies, no_proxy: 'zaqar.example' },
      { noProxy: [] },
      'p.example:3128',
    ],
    ['http://127.0.0.1:8888', proxies, {}, null],
    ['http://[::1]:8888', proxies, {}, null],
    ['http://localhost:8888', proxies, {}, null],
    ['http://queue.localhost:8888', proxies, {}, null],
  ] as const)('of %s with %j and %j is %s', ([endpoint, env, options, expected]) => {
    expect(proxyFor(endpoint, env, options)).toBe(expected)
  })

  test.for([
    ['*', true],
    ['zaqar.example', true],
    ['ZAQAR.EXAMPLE', true],
    ['example', true],
    ['.example', true],
    ['*.example', true],
    ['qar.example', false],
    ['zaqar.example:8888', true],
    ['zaqar.example:80', false],
    ['*:8888', true],
    ['other, zaqar.example', true],
    ['', false],
    ['.', false],
    ['zaqar.example/24', false],
  ] as const)(
    'is not used for http://zaqar.example:8888 where NO_PROXY is %j: %s',
    ([noProxy, isDirect]) => {
      const used = proxyFor('http://zaqar.example:8888', { ...proxies, NO_PROXY: noProxy })
      expect(used === null).toBe(isDirect)
    },
  )

  test.for([
    ['http://10.1.2.3:8888', '10.0.0.0/8', true],
    ['http://11.1.2.3:8888', '10.0.0.0/8', false],
    ['http://10.1.2.3:8888', '10.1.2.3', true],
    ['http://10.1.2.3:8888', '10.1.2.3:8888', true],
    ['http://10.1.2.3:8888', '10.0.0.0/99', false],
    ['http://[2001:db8::7]:8888', '2001:db8::/32', true],
    ['http://[2001:db8::7]:8888', '[2001:db8::7]:8888', true],
    ['http://[2001:db8::7]:8888', '2001:db8:0::7', true],
    ['http://[2001:db8::7]:8888', '10.0.0.0/8', false],
  ] as const)('of %s with NO_PROXY %s is left out: %s', ([endpoint, noProxy, isDirect]) => {
    expect(proxyFor(endpoint, { ...proxies, NO_PROXY: noProxy }) === null).toBe(isDirect)
  })

  test('takes any text for NO_PROXY without failing', () => {
    fc.assert(
      fc.property(fc.string(), (noProxy) => {
        proxyFor('http://zaqar.example:8888', { ...proxies, NO_PROXY: noProxy })
      }),
    )
  })

  test('is shown without its password, and with where it comes from', () => {
    const settings = resolveNetwork({}, { HTTP_PROXY: 'http://me:secret@p.example:3128' })
    const { proxy, because } = chooseProxy(new URL('http://zaqar.example'), settings)
    expect(proxy && showProxy(proxy)).toBe('http://me:***@p.example:3128/')
    expect(because).toBe('HTTP_PROXY')
  })
})
