/**
 * Looks at folders with plain file calls and SHA-256, in a process of its own, and knows nothing of Peerfold.
 *
 *     verifier walk FOLDER                       prints what lies there, as JSON
 *     verifier compare EXPECTED.json FOLDER…     exits 1 and prints each difference unless all folders hold just that
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'

/** What one path of a folder is. Folders carry their type only. */
export interface Found {
  type: 'file' | 'folder' | 'symlink'
  sha256?: string
  target?: string
  executable?: boolean
  /** Whole milliseconds. */
  mtime?: number
}

export type Listing = Record<string, Found>

/** The only name that is not the person's: the folder's own state. */
const STATE_FOLDER = '.peerfold'

export async function walk(folder: string): Promise<Listing> {
  const listing: Listing = {}
  const waiting = ['']
  for (let relative = waiting.pop(); relative !== undefined; relative = waiting.pop()) {
    for (const name of await readdir(join(folder, relative))) {
      if (relative === '' && name === STATE_FOLDER) continue
      const path = relative === '' ? name : `${relative}/${name}`
      const found = await look(join(folder, path))
      listing[path] = found
      if (found.type === 'folder') waiting.push(path)
    }
  }
  return listing
}

async function look(path: string): Promise<Found> {
  const stat = await lstat(path)
  if (stat.isDirectory()) return { type: 'folder' }
  if (stat.isSymbolicLink()) return { type: 'symlink', target: await readlink(path) }
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return {
    type: 'file',
    sha256: hash.digest('hex'),
    executable: (stat.mode & 0o100) !== 0,
    mtime: Math.floor(stat.mtimeMs),
  }
}

/** One line for each path that is missing, unexpected or different. */
export function compare(expected: Listing, found: Listing): string[] {
  const differences: string[] = []
  for (const path of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    const [want, have] = [expected[path], found[path]]
    if (have === undefined) differences.push(`missing: ${path}`)
    else if (want === undefined) differences.push(`unexpected: ${path}`)
    else if (JSON.stringify(sortKeys(want)) !== JSON.stringify(sortKeys(have)))
      differences.push(`different: ${path}: expected ${JSON.stringify(want)}, found ${JSON.stringify(have)}`)
  }
  return differences
}

function sortKeys(found: Found): Found {
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1))) as unknown as Found
}

async function main([verb, ...args]: string[]): Promise<number> {
  const [first = ''] = args
  if (verb === 'walk') {
    process.stdout.write(JSON.stringify(await walk(first)))
    return 0
  }
  const expected = JSON.parse(await readFile(first, 'utf8')) as Listing
  let differing = 0
  for (const folder of args.slice(1)) {
    for (const difference of compare(expected, await walk(folder))) {
      process.stdout.write(`${folder}: ${difference}\n`)
      differing++
    }
  }
  return differing === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2))
