/**
 * Looks at folders with plain file calls and SHA-256, in a process of its own, and knows nothing of Peerfold.
 *
 *     verifier walk FOLDER                       prints what lies there, as JSON
 *     verifier compare EXPECTED.json FOLDER…     exits 1 and prints each difference unless all folders hold just that
 *     verifier search FOLDER TEXT…               exits 1 and prints where a text lies in names or contents, in any of its forms
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

export async function look(path: string): Promise<Found> {
  // In nanoseconds: as a fraction of milliseconds, a time just below a whole one is rounded up to it.
  const stat = await lstat(path, { bigint: true })
  if (stat.isDirectory()) return { type: 'folder' }
  if (stat.isSymbolicLink()) return { type: 'symlink', target: await readlink(path) }
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return {
    type: 'file',
    sha256: hash.digest('hex'),
    executable: (stat.mode & 0o100n) !== 0n,
    mtime: Number(stat.mtimeNs / 1_000_000n),
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

/** The bytes that a text may lie as: UTF-8, UTF-16 of both orders, hexadecimal of both cases, and base64 at each of its three offsets. */
function formsOf(text: string): Buffer[] {
  const utf8 = Buffer.from(text, 'utf8')
  const utf16 = Buffer.from(text, 'utf16le')
  const hex = utf8.toString('hex')
  const base64 = [0, 1, 2].map((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), utf8]).toString('base64')
    // Characters that mix with what stands before and after are left out.
    return padded.slice(offset === 0 ? 0 : offset + 1, Math.floor(((offset + utf8.length) * 8) / 6) - 1)
  })
  const texts = [
    hex,
    hex.toUpperCase(),
    ...base64,
    ...base64.map((one) => one.replaceAll('+', '-').replaceAll('/', '_')),
  ]
  return [utf8, utf16, Buffer.from(utf16).swap16(), ...texts.map((one) => Buffer.from(one, 'latin1'))]
}

/** One line for each text and file in whose name or content it lies. */
export async function search(folder: string, texts: readonly string[]): Promise<string[]> {
  const hits: string[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const content = entry.isFile() ? await readFile(path) : Buffer.alloc(0)
    const places = [Buffer.from(path), content]
    for (const text of texts)
      if (formsOf(text).some((form) => places.some((place) => place.includes(form))))
        hits.push(`${text}: ${path}`)
  }
  return hits
}

async function main([verb, ...args]: string[]): Promise<number> {
  const [first = ''] = args
  if (verb === 'walk') {
    process.stdout.write(JSON.stringify(await walk(first)))
    return 0
  }
  if (verb === 'search') {
    const hits = await search(first, args.slice(1))
    for (const hit of hits) process.stdout.write(`${hit}\n`)
    return hits.length === 0 ? 0 : 1
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
