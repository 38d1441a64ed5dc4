import { type AbortOptions, PeerfoldError } from '@peerfold/core'
import { BrowserLevel } from 'browser-level'
import { stored } from './errors.js'
import { takeLock } from './exclusive.js'

/** A database: text keys, bytes as values. */
export type Level = BrowserLevel<string, Uint8Array>

export interface OpenLevelInit extends AbortOptions {
  /** Milliseconds to wait for another tab that is closing the same store. @default 2000 */
  lockWait?: number
}

/**
 * IndexedDB clones the whole buffer behind a view: a value that is a part of a larger buffer would be stored with all
 * of it.
 */
export function compact(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
    ? bytes
    : bytes.slice()
}

const compactView = {
  name: 'view',
  format: 'view',
  encode: compact,
  decode: (bytes: Uint8Array) => bytes,
} as const

/**
 * Opens an IndexedDB database behind abstract-level's API, for this page alone, with every write durable when it
 * resolves: browsers otherwise leave it to the operating system when a transaction reaches the disk.
 *
 * @throws {PeerfoldError} `HOME_LOCKED`, `INVALID_ARGUMENT`
 */
export async function openLevel(
  name: string,
  { lockWait = 2_000, signal }: OpenLevelInit = {},
): Promise<Level> {
  if (name === '') throw new PeerfoldError('INVALID_ARGUMENT', 'the name of a store is empty')
  const release = await takeLock(`peerfold/${name}`, { wait: lockWait, ...(signal && { signal }) })
  const level = new BrowserLevel<string, Uint8Array>(name, {
    prefix: 'peerfold/',
    keyEncoding: 'utf8',
    valueEncoding: compactView,
  })
  onceClosed(level, release)
  try {
    await stored(`opening ${name}`, () => level.open())
  } catch (error) {
    release()
    throw error
  }
  writeDurably(level)
  return level
}

/** abstract-level takes its emitter's types from Node's, which pages do not have. */
function onceClosed(level: Level, listener: () => void): void {
  const emitter = level as unknown as { once(event: 'closed', listener: () => void): void }
  emitter.once('closed', listener)
}

/** browser-level has no option for it, but hands out its `IDBDatabase`. */
function writeDurably(level: Level): void {
  const { db } = level as unknown as { db: IDBDatabase }
  const begin = db.transaction.bind(db)
  db.transaction = (stores, mode, options) => begin(stores, mode, { durability: 'strict', ...options })
}
