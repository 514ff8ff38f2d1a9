import { z } from 'zod'

const Proxy = z
  .string()
  .max(2048)
  .refine((text) => text === '' || /^https?:$/.test(URL.parse(text)?.protocol ?? ''), {
    message: 'give the proxy as an http:// or https:// URL, or "" for none',
  })

/** How we get to the queue service. What is said here wins over the environment. */
export const NetworkOptions = z.strictObject({
  /** The proxy for endpoints with http://; default: the environment's HTTP_PROXY. "": none. */
  httpProxy: z.exactOptional(Proxy),
  /** The proxy for endpoints with https://, which it tunnels; default: the environment's HTTPS_PROXY. "": none. */
  httpsProxy: z.exactOptional(Proxy),
  /**
   * Where no proxy is used: names (with all below them), addresses, networks such as 10.0.0.0/8, each with a port if wanted;
   * "*" is everywhere. Default: the environment's NO_PROXY. Loopback never uses one.
   */
  noProxy: z.exactOptional(z.array(z.string().min(1).max(255)).max(1024)),
  /** A PEM file of certificate authorities to trust besides the system's. */
  certificateAuthorityFile: z.exactOptional(z.string().min(1)),
})
export type NetworkOptions = z.output<typeof NetworkOptions>

/** A setting, and who made it: the name of an environment variable, or of a key. */
export interface Setting<T> {
  value: T
  from: string
}

/** The one resolved network configuration, which `doctor` shows. */
export interface NetworkSettings {
  httpProxy: Setting<URL | null>
  httpsProxy: Setting<URL | null>
  noProxy: Setting<readonly string[]>
}

/**
 * Puts options and environment together. Pure. Lower-case variables win, as in curl; a variable that is no URL is told by
 * `from`, and not used.
 */
export function resolveNetwork(
  options: NetworkOptions,
  env: Readonly<Record<string, string | undefined>>,
): NetworkSettings {
  return {
    httpProxy: resolveProxy(options.httpProxy, 'httpProxy', env, 'HTTP_PROXY'),
    httpsProxy: resolveProxy(options.httpsProxy, 'httpsProxy', env, 'HTTPS_PROXY'),
    noProxy: resolveNoProxy(options.noProxy, env),
  }
}

function resolveProxy(
  option: string | undefined,
  key: string,
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
): Setting<URL | null> {
  if (option !== undefined) return { value: URL.parse(option), from: `network.${key}` }
  const found = readVariable(env, variable)
  if (found === undefined) return { value: null, from: 'default' }
  // As curl takes it: a proxy without a scheme is an HTTP proxy.
  const text = found.value.includes('://') ? found.value : `http://${found.value}`
  const url = URL.parse(text)
  if (url && /^https?:$/.test(url.protocol)) return { value: url, from: found.from }
  return { value: null, from: `${found.from}, which is no http:// or https:// URL` }
}

function resolveNoProxy(
  option: readonly string[] | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Setting<readonly string[]> {
  if (option !== undefined) return { value: option, from: 'network.noProxy' }
  const found = readVariable(env, 'NO_PROXY')
  if (found === undefined) return { value: [], from: 'default' }
  return { value: found.value.split(/[\s,]+/).filter((entry) => entry !== ''), from: found.from }
}

function readVariable(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): Setting<string> | undefined {
  for (const from of [name.toLowerCase(), name]) {
    const value = env[from]?.trim()
    if (value) return { value, from }
  }
  return undefined
}
