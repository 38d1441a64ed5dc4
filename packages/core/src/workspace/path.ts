import { PeerfoldError } from '../errors.js'

/**
 * Names of a path from the workspace's root: `'docs/a.txt'` → `['docs', 'a.txt']`. A leading and a trailing slash are fine; `''` and `'/'`
 * are the root.
 *
 * @throws {PeerfoldError} `PATH_INVALID` for empty, `.` and `..` names and for NUL
 */
export function parsePath(path: string): string[] {
  if (typeof path !== 'string') throw new PeerfoldError('PATH_INVALID', 'a path is text')
  if (path === '' || path === '/') return []
  const names = path.replace(/^\//, '').replace(/\/$/, '').split('/')
  for (const name of names) {
    if (name === '' || name === '.' || name === '..' || name.includes('\0'))
      throw new PeerfoldError('PATH_INVALID', `not a path: ${JSON.stringify(path)}`, { details: { path } })
  }
  return names
}

/** Names of a path to something other than the root. */
export interface ItemPath {
  parent: string[]
  /** The last of `names`. */
  name: string
  names: string[]
}

/** As `parsePath`, for a path that names something other than the root. */
export function parseItemPath(path: string): ItemPath {
  const names = parsePath(path)
  const name = names.at(-1)
  if (name === undefined)
    throw new PeerfoldError('PATH_INVALID', 'the root itself cannot be changed', { details: { path } })
  return { parent: names.slice(0, -1), name, names }
}

export function formatPath(names: readonly string[]): string {
  return names.join('/')
}

/** Whether `path` is `folder` or lies below it; `''` holds everything. */
export function isWithin(folder: string, path: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}
