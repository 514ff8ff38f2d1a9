import { execa } from 'execa'

/** The sizes of a Debian package alone, without what it depends on: as an archive, and installed. */
export async function debianSizes(
  name: string,
): Promise<{ packageBytes: number; installedBytes: number }> {
  const { stdout } = await execa('apt-cache', ['show', '--no-all-versions', name])
  const field = (key: string) => Number(new RegExp(`^${key}: (\\d+)$`, 'm').exec(stdout)?.[1])
  return { packageBytes: field('Size'), installedBytes: field('Installed-Size') * 1024 }
}
