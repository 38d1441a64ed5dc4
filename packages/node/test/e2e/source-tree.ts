import { chmod, cp, lstat, mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MODULES = fileURLToPath(new URL('../../../../node_modules/', import.meta.url))

/** Copies real packages from `node_modules` until there are at least `files` files, and adds what sources rarely have. */
export async function makeSourceTree(target: string, files: number): Promise<number> {
  await mkdir(target, { recursive: true })
  let count = 0
  for (const name of await packageNames()) {
    if (count >= files) break
    const source = join(MODULES, name)
    if ((await lstat(source)).isSymbolicLink()) continue
    await cp(source, join(target, name), {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
    })
    count += await countFiles(join(target, name))
  }
  await addOddities(target)
  return count
}

async function packageNames(): Promise<string[]> {
  const names = (await readdir(MODULES)).filter((name) => !name.startsWith('.') && name !== '@peerfold')
  return names.sort()
}

async function countFiles(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).length
}

/** Executable files, links, empty folders and files, old times, names that shells dislike. */
async function addOddities(target: string): Promise<void> {
  const at = (...names: string[]) => join(target, 'odd', ...names)
  await mkdir(at('empty', 'nested empty'), { recursive: true })
  await writeFile(at('run.sh'), '#!/bin/sh\necho hello\n')
  await chmod(at('run.sh'), 0o755)
  await writeFile(at('empty file'), '')
  await writeFile(at('-dash \'quote\' "double" \n newline'), 'odd\n')
  await writeFile(at('naïve 日本語 🎉'), 'unicode\n')
  await writeFile(at('a'.repeat(255)), 'long\n')
  await symlink('run.sh', at('link'))
  await symlink('../nowhere/at all', at('dangling'))
  await writeFile(at('old'), 'from 2001\n')
  await utimes(at('old'), new Date('2001-02-03T04:05:06.789Z'), new Date('2001-02-03T04:05:06.789Z'))
}
