import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'

const folder = fileURLToPath(new URL('../../cloud-init/', import.meta.url))

describe('the shell scripts of image, package and element', () => {
  test('have nothing that shellcheck objects to', async ({ skip }) => {
    const { failed } = await execa('shellcheck', ['--version'], { reject: false })
    skip(failed, 'shellcheck is not installed (apt-get install shellcheck)')
    const scripts = await listScripts()
    // What runs as root in every guest, named so that a moved file is missed.
    for (const name of ['postinst', 'prerm', 'postrm', 'launcher.sh', 'forget-identity']) {
      expect(
        scripts.some((path) => path.endsWith(`/${name}`)),
        name,
      ).toBe(true)
    }
    // SC2016: mmdebstrap expands its hooks itself.
    await execa('shellcheck', ['--exclude=SC2016', ...scripts])
  })
})

async function listScripts(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  const starts = await Promise.all(files.map((path) => readFile(path, 'utf8')))
  // Templates of user-data are checked as they are rendered.
  return files.filter(
    (path, index) =>
      /^#!\/bin\/(sh|bash)\n/.test(starts[index] ?? '') && !path.includes('/templates/'),
  )
}
