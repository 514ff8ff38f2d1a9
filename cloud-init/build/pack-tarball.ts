import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import { execa } from 'execa'
import type { Release } from './release.ts'

const compress = promisify(zstdCompress)

/** Packs the tree for `tar -C / -xf`. Order, owners and times are fixed, and one thread compresses: same bytes each time. */
export async function packTarball(
  release: Release,
  tree: string,
  out: string,
  quick: boolean,
): Promise<string> {
  const file = join(out, `sahara-agent-${release.version}-linux-${release.arch}.tar.zst`)
  const flags = ['-C', tree, '-cf', '-', ...reproducible(release), '.']
  const tar = await execa('tar', flags, { encoding: 'buffer', maxBuffer: 2 ** 30 })
  // At once: what comes out of a stream depends on the pieces that went into it, and a pipe's are never the same.
  const compressed = await compress(tar.stdout, {
    params: { [constants.ZSTD_c_compressionLevel]: quick ? 1 : compressionLevel },
  })
  await writeFile(file, compressed)
  return file
}

/** Level 19 would save 4 MB more and take fifteen times as long. */
const compressionLevel = 12

function reproducible({ epochSeconds }: Release): string[] {
  return [
    '--format=gnu',
    '--sort=name',
    '--numeric-owner',
    '--owner=0',
    '--group=0',
    `--mtime=@${epochSeconds}`,
    '--mode=u+rwX,go+rX,go-w',
  ]
}
