import { fromUtf8, toHex, toUtf8 } from '../encoding/bytes.js'
import { FileSystemError, PeerfoldError } from '../errors.js'
import type { FileSystem } from '../ports/file-system.js'
import type { Random } from '../ports/random.js'
import { STATE_DIRECTORY, truncate, withSuffix } from './names.js'

/** Absolute paths of what Peerfold keeps in a synced folder (PROTOCOL.md §9.1). */
export interface StatePaths {
  root: string
  marker: string
  /** This device's own ignore rules; nothing but people writes them. */
  ignore: string
  tmp: string
  trash: string
}

/** Content of `.peerfold/folder.json`. */
export interface FolderMarker {
  version: 1
  /** Workspace id. */
  workspace: string
  /** Random id of this folder, 32 hexadecimal digits: tells a folder from its copy and from an empty mount point. */
  folder: string
}

const MARKER_MAX_BYTES = 4096

export function statePaths(files: Pick<FileSystem, 'join'>, directory: string): StatePaths {
  const root = files.join(directory, STATE_DIRECTORY)
  return {
    root,
    marker: files.join(root, 'folder.json'),
    ignore: files.join(root, 'ignore'),
    tmp: files.join(root, 'tmp'),
    trash: files.join(root, 'trash'),
  }
}

/** Undefined when there is none. @throws {PeerfoldError} `FOLDER_MISSING` when it is there and can't be read or understood */
export async function readMarker(files: FileSystem, paths: StatePaths): Promise<FolderMarker | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readSmall(files, paths.marker)
  } catch (error) {
    if (error instanceof FileSystemError && ['ENOENT', 'ENOTDIR'].includes(error.errno)) return undefined
    throw new PeerfoldError('FOLDER_MISSING', `${paths.marker} can't be read`, { cause: error })
  }
  const marker = parseMarker(bytes)
  if (marker === undefined) throw new PeerfoldError('FOLDER_MISSING', `${paths.marker} is damaged`)
  return marker
}

function parseMarker(bytes: Uint8Array): FolderMarker | undefined {
  try {
    const value = JSON.parse(fromUtf8(bytes)) as Partial<FolderMarker>
    const { version, workspace, folder } = value
    if (version !== 1 || typeof workspace !== 'string' || typeof folder !== 'string') return undefined
    return { version, workspace, folder }
  } catch {
    return undefined
  }
}

async function readSmall(files: FileSystem, path: string): Promise<Uint8Array> {
  const handle = await files.openRead(path)
  try {
    const buffer = new Uint8Array(MARKER_MAX_BYTES)
    return buffer.subarray(0, await handle.read(buffer, 0))
  } finally {
    await handle.close()
  }
}

/** Makes `.peerfold` and what it holds; the marker is never overwritten. */
export async function writeMarker(files: FileSystem, paths: StatePaths, marker: FolderMarker): Promise<void> {
  await makeStateDirectories(files, paths)
  const handle = await files.create(files.join(paths.tmp, `${marker.folder}.json`), 0o644)
  try {
    await handle.write(toUtf8(JSON.stringify(marker, null, 2) + '\n'), 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await files.rename(files.join(paths.tmp, `${marker.folder}.json`), paths.marker)
  await files.syncDirectory(paths.root)
}

export async function makeStateDirectories(files: FileSystem, paths: StatePaths): Promise<void> {
  for (const path of [paths.root, paths.tmp, paths.trash]) await ensureDirectory(files, path)
}

async function ensureDirectory(files: FileSystem, path: string): Promise<void> {
  try {
    await files.mkdir(path, 0o700)
  } catch (error) {
    if (!(error instanceof FileSystemError) || error.errno !== 'EEXIST') throw error
    const stat = await files.lstat(path)
    if (stat.type !== 'folder') throw new PeerfoldError('FOLDER_IN_USE', `${path} is in the way`)
  }
}

export function randomId(random: Random): string {
  return toHex(random.bytes(16))
}

/** Name in the trash: when, which, and what it was. */
export function trashName(random: Random, now: number, name: string): string {
  const time = new Date(now).toISOString().replace(/[-:]/g, '').slice(0, 15)
  const tag = toHex(random.bytes(4))
  const safe = truncate(name, 200)
  return `${time}-${tag}-${withSuffix(safe, '', 200)}`
}
