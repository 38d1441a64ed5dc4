import { realpath } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * The canonical absolute form of a directory, links resolved, and the directories around it, nearest first. A directory that does not exist keeps
 * the path it was given.
 */
export async function locateDirectory(path: string): Promise<{ directory: string; ancestors: string[] }> {
  const absolute = resolve(path)
  const directory = await realpath(absolute).catch(() => absolute)
  const ancestors: string[] = []
  for (let at = dirname(directory), below = directory; at !== below; below = at, at = dirname(at))
    ancestors.push(at)
  return { directory, ancestors }
}
