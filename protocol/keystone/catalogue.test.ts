import { describe, expect, test } from 'vitest'
import { findEndpoint } from './catalogue.ts'

const endpoint = (region_id: string, access: string) => ({
  interface: access,
  region_id,
  url: `https://${access}.${region_id}.example/`,
})
const oneRegion = [
  { type: 'identity', endpoints: [endpoint('north', 'public')] },
  { type: 'messaging', endpoints: [endpoint('north', 'public'), endpoint('north', 'internal')] },
]
const twoRegions = [
  { type: 'messaging', endpoints: [endpoint('north', 'public'), endpoint('south', 'public')] },
]

describe('an endpoint in the catalogue', () => {
  test('is found by type and interface, without a slash at its end', () => {
    const query = { type: 'messaging', interface: 'internal' } as const
    expect(findEndpoint(oneRegion, query)).toBe('https://internal.north.example')
  })

  test('is found by region where there are several', () => {
    const query = { type: 'messaging', interface: 'public', region: 'south' } as const
    expect(findEndpoint(twoRegions, query)).toBe('https://public.south.example')
  })

  test.for([
    ['service', oneRegion, { type: 'metering', interface: 'public' }, 'it has identity, messaging'],
    [
      'region',
      twoRegions,
      { type: 'messaging', interface: 'public' },
      'choose one of north, south',
    ],
    [
      'region',
      oneRegion,
      { type: 'messaging', interface: 'public', region: 'west' },
      'it has north',
    ],
    ['interface', oneRegion, { type: 'messaging', interface: 'admin' }, 'it has public, internal'],
    ['service', [], { type: 'messaging', interface: 'admin' }, 'it has none'],
  ] as const)('is missed for its %s', ([lacks, catalogue, query, problem]) => {
    const copy = catalogue.map((service) => ({ ...service, endpoints: [...service.endpoints] }))
    expect(() => findEndpoint(copy, query)).toThrow(
      expect.objectContaining({ code: 'ERR_CATALOGUE_MISS', lacks }),
    )
    expect(() => findEndpoint(copy, query)).toThrow(problem)
  })
})
