import { isPeerfoldError, type RecordId, type Workspace } from '@peerfold/core'
import { baseName, freeName, joinPath, parentPath } from './names.js'

/** A version of a file that was removed. */
export interface RestorableFile {
  /** Where it was. */
  path: string
  version: RecordId
}

/** Brings a removed file back to where it was; what has its name by now stays, and the file gets a number. @returns its path */
export async function restoreFile(
  workspace: Workspace,
  { path, version }: RestorableFile,
  signal?: AbortSignal,
): Promise<string> {
  const options = signal && { signal }
  try {
    await workspace.restore(path, version, options)
    return path
  } catch (error) {
    if (!isPeerfoldError(error, 'ALREADY_EXISTS')) throw error
  }
  const folder = parentPath(path)
  const taken = new Set<string>()
  for await (const { name } of workspace.list(folder, options)) taken.add(name)
  const to = joinPath(folder, freeName(baseName(path), taken))
  await workspace.restore(path, version, { ...options, to })
  return to
}
