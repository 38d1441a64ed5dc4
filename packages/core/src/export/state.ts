import { fromUtf8, toUtf8 } from '../encoding/bytes.js'
import { FileSystemError, PeerfoldError } from '../errors.js'
import { statAbsolute } from '../folder/guard.js'
import { removeQuietly } from '../folder/trash.js'
import type { FileSystem } from '../ports/file-system.js'
import type { WorkspaceId } from '../ports/ids.js'

/** Lies in the directory of an export until that is whole: whoever finds it goes on there. */
export const EXPORT_STATE = '.peerfold-export'

export interface ExportDirectory {
  directory: string
  /** Of an export that did not come to its end. */
  resumed: boolean
  /** Files that are being written. */
  tmp: string
}

/**
 * Makes the directory of an export, or takes up one that is empty or holds a part of this very export.
 *
 * @throws {PeerfoldError} `ALREADY_EXISTS`, `NOT_A_FOLDER`, `FOLDER_NOT_FOUND`
 */
export async function openExportDirectory(
  files: FileSystem,
  directory: string,
  workspace: WorkspaceId,
): Promise<ExportDirectory> {
  await makeDirectory(files, directory)
  const paths = statePaths(files, directory)
  const others = (await files.readdir(directory)).filter(({ name }) => name !== EXPORT_STATE)
  const marked = await readMarker(files, paths.marker)
  if (marked !== undefined && marked !== workspace)
    throw taken(`${directory} holds a part of the export of another workspace`)
  if (marked === undefined && others.length > 0) {
    // The very last step of an export was cut off.
    await files.rmdir(paths.state).catch(() => {})
    throw taken(`${directory} is not empty`)
  }
  await mkdirIfNone(files, paths.state)
  await mkdirIfNone(files, paths.tmp)
  if (marked === undefined) await writeMarker(files, paths.marker, workspace)
  for (const { name } of await files.readdir(paths.tmp))
    await removeQuietly({ files }, files.join(paths.tmp, name))
  return { directory, resumed: marked !== undefined, tmp: paths.tmp }
}

/** The export is whole: nothing of it is left to be told. */
export async function endExport(files: FileSystem, directory: string): Promise<void> {
  const paths = statePaths(files, directory)
  await files.rmdir(paths.tmp)
  await removeQuietly({ files }, paths.marker)
  await files.rmdir(paths.state)
  await files.syncDirectory(directory)
}

function statePaths(files: FileSystem, directory: string) {
  const state = files.join(directory, EXPORT_STATE)
  return { state, marker: files.join(state, 'export.json'), tmp: files.join(state, 'tmp') }
}

async function makeDirectory(files: FileSystem, directory: string): Promise<void> {
  const stat = await statAbsolute({ files }, directory)
  if (stat?.type === 'folder') return
  if (stat !== undefined) throw new PeerfoldError('NOT_A_FOLDER', `${directory} is not a directory`)
  try {
    await files.mkdir(directory)
  } catch (cause) {
    if (!(cause instanceof FileSystemError)) throw cause
    throw new PeerfoldError('FOLDER_NOT_FOUND', `${directory} can't be made: ${cause.errno}`, { cause })
  }
}

async function mkdirIfNone(files: FileSystem, path: string): Promise<void> {
  if ((await statAbsolute({ files }, path))?.type !== 'folder') await files.mkdir(path, 0o700)
}

const MARKER_MAX_BYTES = 4096

/** Nothing is exported before the marker is durable: one that can't be understood was never finished. */
async function readMarker(files: FileSystem, path: string): Promise<WorkspaceId | undefined> {
  if ((await statAbsolute({ files }, path)) === undefined) return undefined
  const handle = await files.openRead(path)
  try {
    const buffer = new Uint8Array(MARKER_MAX_BYTES)
    const count = await handle.read(buffer, 0)
    const { workspace } = JSON.parse(fromUtf8(buffer.subarray(0, count)))
    return typeof workspace === 'string' ? workspace : undefined
  } catch (error) {
    if (error instanceof FileSystemError) throw error
    return undefined
  } finally {
    await handle.close()
  }
}

async function writeMarker(files: FileSystem, path: string, workspace: WorkspaceId): Promise<void> {
  await removeQuietly({ files }, path)
  const handle = await files.create(path, 0o600)
  try {
    await handle.write(toUtf8(`${JSON.stringify({ version: 1, workspace }, null, 2)}\n`), 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function taken(message: string): PeerfoldError {
  return new PeerfoldError('ALREADY_EXISTS', message, { hint: 'Export into an empty or a new directory.' })
}
