import { cp, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Peerfold's own packages as they lie here: a real source tree that every checkout has. */
const PACKAGES = fileURLToPath(new URL('../../../', import.meta.url))

/** Copies a source tree to a place of its own, so that the tour never touches a checkout. */
export async function gatherSources(directory: string): Promise<string> {
  const target = join(directory, 'sources')
  await mkdir(target, { recursive: true })
  await cp(PACKAGES, target, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (path) => !/[/\\](node_modules|dist|\.turbo)([/\\]|$)/.test(path.slice(dirname(PACKAGES).length)),
  })
  return target
}
