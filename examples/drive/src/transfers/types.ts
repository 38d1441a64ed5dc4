import type { WorkspaceId } from '@peerfold/core'
import type { Failure } from '../device/failure.js'

/**
 * `waiting`: for its turn. `running`: being read, sealed and written. `kept`: in this browser, and nowhere else for all that is known.
 * `saved`: another machine said that it holds it. `lost`: the page was closed in between, and the browser does not give the file again by itself.
 */
export type UploadState = 'waiting' | 'running' | 'kept' | 'saved' | 'failed' | 'lost' | 'cancelled'

export interface Upload {
  id: string
  workspace: WorkspaceId
  /** Where it goes, from the workspace's root. */
  path: string
  /** Bytes. */
  size: number
  /** Milliseconds since 1970. */
  modified: number
  state: UploadState
  /** Bytes done. */
  done: number
  failure?: Failure
}

/** A file to upload: itself, or a handle that gives it again after a restart. */
export interface Source {
  file: File
  handle?: FileSystemFileHandle
}

export interface NewUpload extends Source {
  workspace: WorkspaceId
  path: string
}

/** What of an upload is kept over restarts. */
export interface StoredUpload {
  id: string
  workspace: WorkspaceId
  path: string
  size: number
  modified: number
  handle?: FileSystemFileHandle
  /** It is in this browser, and nobody else is known to have it. */
  kept?: true
}

export const isFinished = ({ state }: Upload): boolean =>
  state === 'kept' || state === 'saved' || state === 'cancelled'

export const isOpen = ({ state }: Upload): boolean => state === 'waiting' || state === 'running'
