import { type FileBody, PeerfoldError, type ReadOptions } from '@peerfold/core'
import { createFileBody } from '@peerfold/core/workspace'
import { BYTES_AHEAD, ITEMS_AHEAD } from '../limits.js'
import type { Target } from '../wire.js'
import { either } from './call.js'
import { Inflow } from './inflow.js'
import type { Request } from './link.js'
import type { LinkSource } from './link-source.js'

/** What readings of one workspace or transaction have in common. */
export interface Place {
  source: LinkSource
  target: Target
  /** Aborts when it is closed. */
  closed: AbortSignal
}

/** A file whose bytes come from the device when they are asked for. Interrupted, it goes on in the same version. */
export function remoteFile(place: Place, path: string, options: ReadOptions = {}): FileBody {
  checkRange(options)
  return createFileBody(() => readBytes(place, path, options))
}

function readBytes(
  { source, target, closed }: Place,
  path: string,
  options: ReadOptions,
): Inflow<Uint8Array> {
  let version = options.version
  let total: number | undefined
  let bytes = 0
  const request = (): Request | undefined => {
    // Without a version, what was read and what is to come could be of two.
    if (bytes > 0 && version === undefined) return undefined
    const offset = (options.offset ?? 0) + bytes
    const length = options.length === undefined ? undefined : options.length - bytes
    return { method: 'read', target, args: { path, offset, length, version } }
  }
  return new Inflow<Uint8Array>({
    source,
    ...either(closed, options),
    request,
    window: BYTES_AHEAD,
    cost: (piece) => piece.length,
    take: (piece) => {
      bytes += piece.length
      options.onProgress?.({ bytes, total })
      return true
    },
    onNote: (note) => {
      version ??= note.version
      total ??= note.progress?.total
    },
  })
}

function checkRange({ offset = 0, length = 0 }: ReadOptions): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0)
    throw new PeerfoldError('INVALID_ARGUMENT', 'offset and length are whole numbers of bytes, at least 0')
}

/** Lists longer than this are not gone on with after an interruption: what was told of them would have to be kept. */
const MAX_REMEMBERED = 100_000

/**
 * Items of a method, each told once: a list that is begun anew after an interruption leaves out what was there before.
 *
 * @param key tells items apart
 */
export function remoteList<T>(
  { source, target, closed }: Place,
  method: string,
  args: Record<string, unknown>,
  key: (item: T) => string,
  signal: AbortSignal | undefined,
): Inflow<T> {
  const told = new Set<string>()
  return new Inflow<T>({
    source,
    ...either(closed, { signal }),
    request: () => (told.size >= MAX_REMEMBERED ? undefined : { method, target, args }),
    window: ITEMS_AHEAD,
    cost: () => 1,
    take: (item) => {
      const isNew = !told.has(key(item))
      if (told.size < MAX_REMEMBERED) told.add(key(item))
      return isNew
    },
  })
}
