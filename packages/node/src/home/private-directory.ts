import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PeerfoldError } from '@peerfold/core'

const KEY_BYTES = 32

/**
 * Makes a directory that holds keys, readable by its owner only.
 *
 * @param purpose in errors: `a home`
 * @throws {PeerfoldError} `HOME_INVALID`
 */
export async function preparePrivateDirectory(directory: string, purpose: string): Promise<void> {
  try {
    await makeDirectory(directory)
    const { mode } = await stat(directory)
    if ((mode & 0o077) !== 0) await chmod(directory, 0o700)
  } catch (cause) {
    throw new PeerfoldError('HOME_INVALID', `cannot use ${directory} as ${purpose}`, { cause })
  }
}

/** Node's own recursion never ends where an existing directory takes no others, as in /proc. */
async function makeDirectory(directory: string): Promise<void> {
  // Two processes may make the same one.
  const make = () =>
    mkdir(directory, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST' || !(await stat(directory)).isDirectory()) throw error
    })
  await make().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' || dirname(directory) === directory) throw error
    await makeDirectory(dirname(directory))
    await make()
  })
}

/**
 * The 32 random bytes in a file (0600), made when it is missing: durable before anything can depend on them.
 *
 * @throws {PeerfoldError} `HOME_INVALID`
 */
export async function loadKey(path: string): Promise<Uint8Array> {
  const existing = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new PeerfoldError('HOME_INVALID', `cannot read ${path}`, { cause: error })
  })
  if (existing !== undefined) {
    if (existing.length !== KEY_BYTES) throw new PeerfoldError('HOME_INVALID', `${path} is damaged`)
    return new Uint8Array(existing)
  }
  const key = randomBytes(KEY_BYTES)
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(key)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const folder = await open(join(path, '..'), 'r')
  await folder.sync().finally(() => folder.close())
  return new Uint8Array(key)
}
