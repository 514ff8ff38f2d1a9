import { rm } from 'node:fs/promises'
import { relative, sep } from 'node:path'
import { type OutputChunk, type Plugin, rolldown } from 'rolldown'
import { rewriteEntryUrls } from './entry-urls.ts'
import { escapeNonAscii } from './escape-non-ascii.ts'
import { root } from './release.ts'
import { undiciParts } from './undici-parts.ts'

/** The agent's program as few files of plain JavaScript, and whose code is in them. */
export interface Bundle {
  directory: string
  /** npm packages whose code is in the bundle, as directories below the project's root, sorted. */
  packageDirectories: string[]
}

/**
 * Bundles `agent/main.ts` and every program that it starts as a process of its own (`new URL('x.ts', import.meta.url)`)
 * into `directory`, which is emptied first. The same sources give the same bytes, wherever they lie.
 *
 * As CommonJS: as ES modules they would load all of a built-in module that they name, getters included (`node:http` then
 * brings Node's own copy of undici), and Node's loader of ES modules. That took a third of the start, and 6 MiB.
 */
export async function bundleAgent(directory: string): Promise<Bundle> {
  await rm(directory, { recursive: true, force: true })
  const build = await rolldown({
    cwd: root,
    input: { 'agent-main': 'agent/main.ts' },
    platform: 'node',
    plugins: [startedPrograms(), undiciParts(), inAscii()],
    // It would warn of a slow plugin, which on a busy machine ours is: how a build went says nothing about what it made.
    checks: { bundlerTimings: false },
    onLog: (level, log) => {
      // What the bundler cannot resolve would be missing in a guest, where nobody can install it.
      if (level === 'warn') throw new Error(`the bundler warns: ${log.message}`)
    },
  })
  const { output } = await build.write({
    dir: directory,
    format: 'cjs',
    entryFileNames: '[name].js',
    chunkFileNames: 'part-[hash].js',
    // Names stay: error classes and stack traces in a guest's log must be readable.
    minify: { compress: true, mangle: false, codegen: true },
  })
  await build.close()
  return { directory, packageDirectories: packagesIn(output) }
}

/** Makes each program that our code starts by its file's name an entry of the bundle, and names its new file there. */
function startedPrograms(): Plugin {
  return {
    name: 'started-programs',
    transform(code, id) {
      const found = rewriteEntryUrls(code, id, root)
      if (found === null) return null
      for (const { file, name } of found.entries) {
        this.emitFile({ type: 'chunk', id: file, fileName: `${name}.js` })
      }
      return { code: found.code, map: null }
    },
  }
}

function inAscii(): Plugin {
  return {
    name: 'in-ascii',
    generateBundle(_options, output) {
      for (const part of Object.values(output)) {
        if (part.type === 'chunk') part.code = escapeNonAscii(part.code)
      }
    },
  }
}

function packagesIn(output: readonly { type: string }[]): string[] {
  const directories = output
    .filter(isChunk)
    .flatMap(({ moduleIds }) => moduleIds)
    .map((id) => relative(root, id).split(sep).join('/'))
    .map((id) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0])
    .filter((directory) => directory !== undefined)
  return [...new Set(directories)].toSorted()
}

function isChunk(part: { type: string }): part is OutputChunk {
  return part.type === 'chunk'
}
