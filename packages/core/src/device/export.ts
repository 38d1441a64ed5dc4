import { PeerfoldError } from '../errors.js'
import { exportWorkspace } from '../export/export-workspace.js'
import type { ExportOptions, ExportReport } from '../export/types.js'
import { readMarker, statePaths } from '../folder/state-directory.js'
import type { Clock } from '../ports/clock.js'
import type { Random } from '../ports/random.js'
import type { Disk } from './components.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

export interface ExportPlatform {
  disk: Pick<Disk, 'files' | 'locate'>
  clock: Clock
  random: Random
}

/** @throws {PeerfoldError} `FOLDER_NESTED`, and what `exportWorkspace` throws */
export async function exportRuntime(
  { disk, clock, random }: ExportPlatform,
  { id, folderSource, tree }: WorkspaceRuntime,
  directory: string,
  options: ExportOptions,
): Promise<ExportReport> {
  await refuseSynced(disk, directory)
  const { transact, open, available, fetch, identify } = folderSource
  const source = { id, transact, open, available, fetch, identify, history: tree }
  return await exportWorkspace({ source, files: disk.files, clock, random }, directory, options)
}

/** What is exported into a synced folder would be published again. */
async function refuseSynced({ files, locate }: ExportPlatform['disk'], directory: string): Promise<void> {
  const { directory: wanted, ancestors } = await locate(directory)
  // A directory that is not there yet has no canonical form, but the one around it has.
  const around = await locate(ancestors[0] ?? wanted)
  for (const path of [wanted, around.directory, ...around.ancestors])
    if ((await readMarker(files, statePaths(files, path))) !== undefined)
      throw new PeerfoldError('FOLDER_NESTED', `${directory} lies in the synced folder ${path}`, {
        hint: 'Export to a directory that is not synced.',
      })
}
