import { FileSystemError, PeerfoldError } from '../errors.js'
import type { DirectoryEntry, FileStat } from '../ports/file-system.js'
import { absolute, type FolderContext } from './context.js'
import {
  baseName,
  type DiskListing,
  type DiskNode,
  emptyListing,
  joinPath,
  nodeAt,
  type OpaqueReason,
  parentPath,
} from './disk-tree.js'
import { fingerprintOf, sameFingerprint, sameInode } from './fingerprint.js'
import { describeRule } from './ignore.js'
import { STATE_DIRECTORY } from './names.js'
import { forEachParallel } from './parallel.js'

type ScanContext = Pick<
  FolderContext,
  'files' | 'directory' | 'disk' | 'clock' | 'signal' | 'issues' | 'ignore' | 'traits' | 'synced'
>

const DIRECTORIES_AT_ONCE = 6
const STATS_AT_ONCE = 8

/**
 * Brings the disk tree up to date: the given directories, and below them whatever is new, or everything. An entry that could not be
 * looked at stays known as being there.
 *
 * @throws {PeerfoldError} `FOLDER_MISSING` when the root can't be read
 */
export async function scan(folder: ScanContext, dirty: ReadonlySet<string> | 'all'): Promise<void> {
  if (dirty === 'all') folder.issues.clearScanned()
  const waiting = new Set(dirty === 'all' ? [''] : knownDirectories(folder.disk, dirty))
  while (waiting.size > 0) {
    // Parents first: looking at a directory makes new nodes of those in it, which would lose what was just found there.
    const level = shallowest(waiting)
    for (const path of level) waiting.delete(path)
    await forEachParallel(level, DIRECTORIES_AT_ONCE, async (path) => {
      for (const next of await scanDirectory(folder, path, dirty === 'all')) waiting.add(next)
    })
  }
}

function shallowest(paths: Iterable<string>): string[] {
  const byDepth = new Map<number, string[]>()
  for (const path of paths) {
    const depth = path === '' ? 0 : path.split('/').length
    const level = byDepth.get(depth)
    if (level === undefined) byDepth.set(depth, [path])
    else level.push(path)
  }
  return byDepth.get(Math.min(...byDepth.keys())) ?? []
}

/** A directory that is not known yet is found by way of the one it lies in. */
function knownDirectories(disk: DiskNode, dirty: ReadonlySet<string>): string[] {
  const known = new Set<string>()
  for (let path of dirty) {
    while (path !== '' && nodeAt(disk, path)?.kind !== 'folder') path = parentPath(path)
    known.add(path)
  }
  return [...known]
}

/** Returns the directories below it that are to be scanned next. */
async function scanDirectory(folder: ScanContext, path: string, everything: boolean): Promise<string[]> {
  folder.signal.throwIfAborted()
  const node = nodeAt(folder.disk, path)
  if (node?.kind !== 'folder') return []
  const old = node.listing ?? emptyListing()
  const entries = await list(folder, path, old)
  if (entries === undefined) return []
  if (entries === 'gone') return everything ? [] : [parentPath(path)]
  if (
    path !== '' &&
    entries.some((entry) => entry.name === STATE_DIRECTORY) &&
    (await isNested(folder, path))
  )
    return hideNested(folder, path)
  const listing: DiskListing = { children: new Map(), complete: true, opaque: new Map() }
  const wanted = entries.filter((entry) => path !== '' || entry.name !== STATE_DIRECTORY)
  await forEachParallel(wanted, STATS_AT_ONCE, (entry) => look(folder, path, entry, old, listing))
  node.listing = sorted(listing)
  folder.issues.setScanned(path, listing.opaque)
  const below: string[] = []
  for (const child of listing.children.values())
    if (child.kind === 'folder' && (everything || child.listing === undefined))
      below.push(joinPath(path, child.name))
  return below
}

/** Undefined when it could not be read to its end, `gone` when it is not there: what was known of it stays, marked incomplete. */
async function list(
  folder: ScanContext,
  path: string,
  old: DiskListing,
): Promise<DirectoryEntry[] | 'gone' | undefined> {
  try {
    const entries = await folder.files.readdir(absolute(folder, path), { signal: folder.signal })
    return folder.traits.decomposes ? inKnownForm(folder, path, entries) : entries
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error
    if (path === '')
      throw new PeerfoldError('FOLDER_MISSING', `${folder.directory}: ${error.errno}`, { cause: error })
    const node = nodeAt(folder.disk, path)
    if (node !== undefined) node.listing = { ...old, complete: false }
    const reason: OpaqueReason = {
      code: 'IO_FAILED',
      message: `this directory could not be read: ${error.errno}`,
    }
    if (error.errno === 'ENOENT') return 'gone'
    folder.issues.setScanned(path, new Map([['', reason]]))
    return undefined
  }
}

/** A disk with a form of its own for names finds them in any: they keep the form that was synced, or get the usual one. */
function inKnownForm(folder: ScanContext, path: string, entries: DirectoryEntry[]): DirectoryEntry[] {
  const item = folder.synced.at(path)
  const known = new Map<string, string>()
  if (item !== undefined)
    for (const { diskName } of folder.synced.children(item)) known.set(diskName.normalize('NFC'), diskName)
  return entries.map((entry) => {
    const usual = entry.name.normalize('NFC')
    return { ...entry, name: known.get(usual) ?? usual }
  })
}

async function look(
  folder: ScanContext,
  directory: string,
  entry: DirectoryEntry,
  old: DiskListing,
  listing: DiskListing,
): Promise<void> {
  const { name } = entry
  if (!entry.addressable) {
    listing.opaque.set(name, { code: 'NAME_INVALID', message: 'its name is not valid UTF-8: rename it' })
    return
  }
  try {
    const stat = await folder.files.lstat(absolute(folder, joinPath(directory, name)), {
      signal: folder.signal,
    })
    const reason = unsupported(folder, stat) ?? ignored(folder, joinPath(directory, name), stat)
    if (reason !== undefined) listing.opaque.set(name, reason)
    else listing.children.set(name, toNode(name, stat, old.children.get(name), folder.clock.monotonic()))
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error
    if (error.errno === 'ENOENT') return
    listing.opaque.set(name, { code: 'IO_FAILED', message: `it could not be looked at: ${error.errno}` })
  }
}

function unsupported(folder: ScanContext, stat: FileStat): OpaqueReason | undefined {
  if (stat.type === 'other')
    return { code: 'FILE_UNSUPPORTED', message: 'only files, folders and symbolic links are synced' }
  if (stat.type === 'folder' && stat.dev !== folder.disk.print.dev)
    return {
      code: 'FILE_UNSUPPORTED',
      message: 'another file system is mounted here; mounts are not crossed',
    }
  return undefined
}

function ignored(folder: ScanContext, path: string, stat: FileStat): OpaqueReason | undefined {
  const kind = stat.type === 'folder' ? 'folder' : 'file'
  const rule = folder.ignore.rules.find(path, kind)
  return rule && { code: 'IGNORED', message: describeRule(rule), kind }
}

/** The node as it was when nothing happened, so that what was learned of its bytes is kept. */
function toNode(name: string, stat: FileStat, old: DiskNode | undefined, seenAt: number): DiskNode {
  const type = stat.type as DiskNode['type']
  const print = fingerprintOf(stat)
  if (old !== undefined && old.type === type && sameFingerprint(old.print, print)) return old
  const node: DiskNode = { name, type, kind: type === 'folder' ? 'folder' : 'file', print, seenAt }
  if (type === 'folder' && old?.kind === 'folder' && sameInode(old.print, print) && old.listing !== undefined)
    node.listing = old.listing
  return node
}

/** Listings come in the order in which stats ended; a fixed order makes plans replayable. */
function sorted(listing: DiskListing): DiskListing {
  const byName = [...listing.children].sort(([a], [b]) => (a < b ? -1 : 1))
  return { ...listing, children: new Map(byName) }
}

async function isNested(folder: ScanContext, path: string): Promise<boolean> {
  try {
    await folder.files.lstat(absolute(folder, `${path}/${STATE_DIRECTORY}/folder.json`))
    return true
  } catch {
    return false
  }
}

/** Another synced folder lies in this one: it is left alone. */
function hideNested(folder: ScanContext, path: string): string[] {
  const listing = nodeAt(folder.disk, parentPath(path))?.listing
  listing?.children.delete(baseName(path))
  const reason: OpaqueReason = { code: 'FOLDER_NESTED', message: 'another synced folder lies here' }
  listing?.opaque.set(baseName(path), reason)
  if (listing) folder.issues.setScanned(parentPath(path), listing.opaque)
  return []
}
