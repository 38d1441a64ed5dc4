import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const OUTPUT = /\.(js|d\.ts)(\.map)?$/

/**
 * Files of a package's `dist` whose source in `src` is gone: tsc never deletes, so they would be run and published.
 *
 * @param {string} directory the package's
 */
export function leftovers(directory) {
  const dist = join(directory, 'dist')
  if (!existsSync(dist)) return []
  return readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((file) => OUTPUT.test(file))
    .filter((file) => !existsSync(join(directory, 'src', file.replace(OUTPUT, '.ts'))))
    .map((file) => join('dist', file))
}

/** @param {string} directory */
export function removeLeftovers(directory) {
  for (const file of leftovers(directory)) rmSync(join(directory, file))
}
