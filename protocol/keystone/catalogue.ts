import { z } from 'zod'
import type { EndpointInterface } from './cloud.ts'
import { CatalogueMissError } from './errors.ts'

/** The services of a cloud, as a token lists them. */
export const Catalogue = z.array(
  z.looseObject({
    type: z.string(),
    endpoints: z
      .array(
        z.looseObject({
          interface: z.string(),
          url: z.string(),
          region_id: z.string().nullish(),
          region: z.string().nullish(),
        }),
      )
      .default([]),
  }),
)
export type Catalogue = z.output<typeof Catalogue>

/** Which endpoint is looked for. */
export interface EndpointQuery {
  type: string
  interface: EndpointInterface
  region?: string | undefined
}

/**
 * Finds a service's URL in a catalogue, without a slash at its end. Pure.
 *
 * @throws {CatalogueMissError} it is not there; the message says what is.
 */
export function findEndpoint(catalogue: Catalogue, query: EndpointQuery): string {
  const services = catalogue.filter(({ type }) => type === query.type)
  if (services.length === 0) {
    const types = listed(catalogue.map(({ type }) => type))
    throw new CatalogueMissError(
      'service',
      `has no service of type "${query.type}"; it has ${types}`,
    )
  }
  const endpoints = services.flatMap((service) => service.endpoints)
  const regions = new Set(endpoints.map(regionOf))
  if (query.region === undefined && regions.size > 1) {
    throw new CatalogueMissError(
      'region',
      `has "${query.type}" in several regions; choose one of ${listed(regions)}`,
    )
  }
  const inRegion = endpoints.filter(
    (endpoint) => query.region === undefined || regionOf(endpoint) === query.region,
  )
  if (inRegion.length === 0) {
    throw new CatalogueMissError(
      'region',
      `has no "${query.type}" in region "${query.region}"; it has ${listed(regions)}`,
    )
  }
  const found = inRegion.find((endpoint) => endpoint.interface === query.interface)
  if (found) return found.url.replace(/\/+$/, '')
  const interfaces = listed(inRegion.map((endpoint) => endpoint.interface))
  throw new CatalogueMissError(
    'interface',
    `has no ${query.interface} interface of "${query.type}"; it has ${interfaces}`,
  )
}

function regionOf(endpoint: Catalogue[number]['endpoints'][number]): string {
  return endpoint.region_id ?? endpoint.region ?? ''
}

function listed(names: Iterable<string>): string {
  const unique = [...new Set(names)].slice(0, 32)
  return unique.length === 0 ? 'none' : unique.join(', ')
}
