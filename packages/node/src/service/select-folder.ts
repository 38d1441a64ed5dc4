import { relative, resolve, sep } from 'node:path'
import { type ErrorCode, type FolderSync, type Peerfold, PeerfoldError } from '@peerfold/core'
import { locateDirectory, locatePath } from '../file-system/locate-directory.js'
import { optionalText, text } from './params.js'

/** A synced folder of this device. */
export interface BoundFolder {
  /** Id of its workspace. */
  workspace: string
  name: string
  directory: string
  /** By a person. */
  paused: boolean
}

/** All of them, or that of one workspace. @throws {PeerfoldError} `NO_IDENTITY`, `FOLDER_NOT_FOUND` */
export async function listFolders(pf: Peerfold, params: Record<string, unknown>): Promise<BoundFolder[]> {
  const { workspaces } = pf.status.value
  const wanted = optionalText(params, 'workspace')
  const only = wanted === undefined ? undefined : await pf.workspaces.open(wanted)
  const folders = pf.folders
    .list()
    .map((bound) => ({ ...bound, name: workspaces.find(({ id }) => id === bound.workspace)?.name ?? '' }))
    .filter(({ workspace }) => only === undefined || workspace === only.id)
  if (folders.length > 0) return folders
  throw new PeerfoldError('FOLDER_NOT_FOUND', `${only?.name ?? 'this device'} has no synced folder here`, {
    hint: 'Give it one with `peerfold add FOLDER` or `peerfold join TICKET --folder FOLDER`.',
  })
}

/** The folder named by `folder` or `workspace`, the only one, or the one that the caller is in (`cwd`). */
export async function selectFolder(pf: Peerfold, params: Record<string, unknown>): Promise<BoundFolder> {
  const folders = await listFolders(pf, params)
  const wanted = optionalText(params, 'folder')
  const cwd = text(params, 'cwd')
  const path = resolve(cwd, wanted ?? '')
  const { directory, ancestors } = await locateDirectory(path)
  const around = folders.find((folder) => [directory, ...ancestors].includes(folder.directory))
  if (around !== undefined) return around
  if (wanted !== undefined)
    throw new PeerfoldError('FOLDER_NOT_FOUND', `${path} is not a synced folder`, {
      hint: '`peerfold status` lists the folders.',
    })
  const [only] = folders
  if (only !== undefined && folders.length === 1) return only
  throw new PeerfoldError('WORKSPACE_AMBIGUOUS', `there are ${folders.length} synced folders`, {
    hint: `Name one with --workspace: ${folders.map(({ name }) => name).join(', ')}.`,
  })
}

/** Its engine. @throws {PeerfoldError} why it does not run */
export function engineOf(pf: Peerfold, { workspace, directory }: BoundFolder): FolderSync {
  const running = pf.folders.get(workspace)
  if (running !== undefined) return running
  const error = pf.status.value.workspaces.find(({ id }) => id === workspace)?.error
  const { code, message, hint } = error ?? { code: 'FOLDER_MISSING', message: directory, hint: undefined }
  throw new PeerfoldError(code as ErrorCode, message, { hint })
}

/** Where a path on disk lies in a folder, `/`-separated; undefined where it lies elsewhere. `''` is the folder itself. */
async function pathWithin({ directory }: BoundFolder, path: string): Promise<string | undefined> {
  const located = await locatePath(path)
  const below = relative(directory, located)
  const outside = below === '..' || below.startsWith(`..${sep}`) || resolve(directory, below) !== located
  return outside ? undefined : below.split(sep).join('/')
}

/** A path on disk or, where it lies in no folder, in each of them. */
export async function pathsIn(
  folders: readonly BoundFolder[],
  params: Record<string, unknown>,
): Promise<Array<{ folder: BoundFolder; path: string }>> {
  const wanted = text(params, 'path')
  const onDisk = resolve(text(params, 'cwd'), wanted)
  for (const folder of folders) {
    const path = await pathWithin(folder, onDisk)
    if (path !== undefined) return [{ folder, path }]
  }
  if (resolve(wanted) === wanted)
    throw new PeerfoldError('PATH_INVALID', `${wanted} is in no synced folder`, {
      hint: '`peerfold status` lists the folders.',
    })
  const inside = folders.map(async (folder) => ({
    folder,
    path: await pathWithin(folder, resolve(folder.directory, wanted)),
  }))
  return (await Promise.all(inside)).flatMap(({ folder, path }) =>
    path === undefined ? [] : [{ folder, path }],
  )
}
