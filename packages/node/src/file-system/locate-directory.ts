import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

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

/** The canonical absolute form of what lies, or could lie, in a directory: links above it are resolved, itself is not. */
export async function locatePath(path: string): Promise<string> {
  const absolute = resolve(path)
  let [directory, below] = [dirname(absolute), basename(absolute)]
  for (;;) {
    const real = await realpath(directory).catch(() => undefined)
    if (real !== undefined) return join(real, below)
    if (dirname(directory) === directory) return absolute
    ;[directory, below] = [dirname(directory), join(basename(directory), below)]
  }
}
