import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RemoteFile, Target } from './target.ts'

const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)

describe('a target', () => {
  test('is a cluster, or an instance of it', () => {
    expect(Target.parse('web')).toEqual({ cluster: 'web' })
    expect(Target.parse('web/worker-1')).toEqual({ cluster: 'web', instance: 'worker-1' })
  })

  test.for(['', '/', 'web/', '/worker', 'a/b/c', 'Web', 'web/Worker', '-web', 'web ', 'a:b', '..'])(
    'is not %j',
    (text) => {
      expect(Target.safeParse(text).success).toBe(false)
    },
  )
})

describe('a file on an instance', () => {
  test('is whatever stands behind the first colon', () => {
    fc.assert(
      fc.property(name, fc.option(name), fc.string({ minLength: 1 }), (cluster, instance, path) => {
        fc.pre(!path.includes('\0'))
        const target = instance === null ? { cluster } : { cluster, instance }
        const text = `${[cluster, ...(instance === null ? [] : [instance])].join('/')}:${path}`
        expect(RemoteFile.parse(text)).toEqual({ target, path })
      }),
    )
  })

  test.for(['web', 'web/worker-1', 'web:', ':path', '/etc/hosts', 'web/w:a\0b'])(
    'is not %j',
    (text) => {
      expect(RemoteFile.safeParse(text).success).toBe(false)
    },
  )
})
