import type { FolderSource } from '../folder/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { RecordId } from '../ports/ids.js'
import type { Tree } from '../tree/types.js'

/** What an export needs of a workspace. */
export interface ExportSource
  extends Pick<FolderSource, 'id' | 'transact' | 'open' | 'available' | 'fetch' | 'identify'> {
  history: Pick<Tree, 'versions' | 'removed'>
}

export interface ExportOptions extends AbortOptions {
  /** Every version of every file too, also of removed ones, below `.history`. @default false */
  history?: boolean
  /** How long to wait for content of which not a byte arrives, milliseconds; 0: what is not here is missing. @default 20000 */
  patienceMs?: number
  onProgress?: (progress: ExportProgress) => void
}

export interface ExportProgress {
  /** Files and versions that are in place. */
  files: number
  /** Written or fetched. */
  bytes: number
}

/** A file that is not in the export. */
export interface ExportLack {
  /** Its path in the workspace. */
  path: string
  /** Where it belongs, in the export. */
  as: string
  /** Absent for a folder. */
  version?: RecordId
  code: string
  message: string
}

export interface ExportReport {
  /** Files, versions and symbolic links put in place. */
  files: number
  folders: number
  /** Of them, how many were there already, from an export that had been interrupted. */
  kept: number
  /** Bytes written. */
  bytes: number
  /** What has another name than in the workspace: names that the disk can't hold or tell apart, and versions that compete. */
  renamed: Array<{ path: string; as: string }>
  /** Nothing else is missing: with an empty list the export is whole. */
  lacking: ExportLack[]
}
