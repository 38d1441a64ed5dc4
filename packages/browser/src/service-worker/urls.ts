import { PeerfoldError } from '@peerfold/core'
import { parsePath } from '@peerfold/core/workspace'

/** First part of the path of all file URLs, below the scope of the service worker. */
export const DEFAULT_PREFIX = 'peerfold'

export interface FileUrlOptions {
  /** A version id. @default the present version at each request */
  version?: string
  /** The browser saves it instead of showing it. @default false */
  download?: boolean
  /** Path of the service worker's scope, which ends with a slash. @default '/' */
  base?: string
  /** As given to `serveFiles`. @default 'peerfold' */
  prefix?: string
}

/**
 * Where the service worker serves a file's bytes: for `<img>`, `<video>`, `<audio>`, links and `fetch`.
 *
 * @throws {PeerfoldError} `PATH_INVALID`
 * @example
 * ```ts
 * image.src = fileUrl(workspace.id, 'holiday/beach.jpg')
 * link.href = fileUrl(workspace.id, 'film.mp4', { download: true })
 * ```
 */
export function fileUrl(workspace: string, path: string, options: FileUrlOptions = {}): string {
  const { version = 'latest', download = false, base = '/', prefix = DEFAULT_PREFIX } = options
  const names = parsePath(path)
  if (names.length === 0)
    throw new PeerfoldError('PATH_INVALID', 'the root is no file', { details: { path } })
  const parts = [prefix, workspace, version, ...names].map(encodeURIComponent)
  return `${base}${parts.join('/')}${download ? '?download' : ''}`
}

/** What a file URL names. */
export interface FileAddress {
  workspace: string
  /** Absent: the present one. */
  version: string | undefined
  path: string
  download: boolean
}

/** @returns undefined for URLs that are not below the prefix, or name no file */
export function parseFileUrl(url: URL, scope: URL, prefix = DEFAULT_PREFIX): FileAddress | undefined {
  const start = `${scope.pathname}${encodeURIComponent(prefix)}/`
  if (url.origin !== scope.origin || !url.pathname.startsWith(start)) return undefined
  const parts = url.pathname.slice(start.length).split('/').map(decode)
  const [workspace, version, ...names] = parts
  if (workspace === undefined || version === undefined || names.length === 0) return undefined
  // A name that holds a slash was never made by `fileUrl`.
  if (names.some((name) => name === undefined || name === '' || name.includes('/'))) return undefined
  return {
    workspace,
    version: version === 'latest' ? undefined : version,
    path: names.join('/'),
    download: url.searchParams.has('download'),
  }
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
