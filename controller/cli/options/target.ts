import { z } from 'zod'
import { Name } from '../../../protocol/messages/wire-types.ts'

/** A cluster, or one instance of it; both by name or id (an id fits the rule for names as well). */
export interface Target {
  cluster: string
  instance?: string
}

/** `CLUSTER` or `CLUSTER/INSTANCE`, as people write it. */
export const Target = z.string().transform((text, context): Target => {
  const target = parseTarget(text)
  if (target !== null) return target
  context.addIssue(
    `${JSON.stringify(text)} names no cluster; write CLUSTER or CLUSTER/INSTANCE in a-z, 0-9 and -`,
  )
  return z.NEVER
})

/** `CLUSTER/INSTANCE`, where only one instance will do. */
export const OneInstance = z.string().transform((text, context) => {
  const target = parseTarget(text)
  if (target?.instance !== undefined) {
    return { cluster: target.cluster, instance: target.instance }
  }
  context.addIssue(`${JSON.stringify(text)} names no instance; write CLUSTER/INSTANCE`)
  return z.NEVER
})

/** A file on one instance, or on each instance of a cluster: `CLUSTER[/INSTANCE]:PATH`, as scp writes it. */
export interface RemoteFile {
  target: Target
  path: string
}

export const RemoteFile = z.string().transform((text, context): RemoteFile => {
  const file = parseRemoteFile(text)
  if (file !== null) return file
  context.addIssue(`${JSON.stringify(text)} names no file there; write CLUSTER/INSTANCE:PATH`)
  return z.NEVER
})

/** @returns null when it is no target. */
function parseTarget(text: string): Target | null {
  const [cluster = '', instance, ...rest] = text.split('/')
  if (rest.length > 0 || !Name.safeParse(cluster).success) return null
  if (instance === undefined) return { cluster }
  return Name.safeParse(instance).success ? { cluster, instance } : null
}

/** A path may hold colons and slashes, a target no colon: the first one divides. */
function parseRemoteFile(text: string): RemoteFile | null {
  const colon = text.indexOf(':')
  const path = text.slice(colon + 1)
  const target = parseTarget(text.slice(0, Math.max(colon, 0)))
  return target === null || path === '' || path.includes('\0') ? null : { target, path }
}
