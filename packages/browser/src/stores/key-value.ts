import type { KeyValue } from '@peerfold/core'
import { type OpenLevelInit, openLevel } from './open-level.js'
import { walkSnapshots } from './snapshot-iterator.js'

/**
 * Opens a key-value store in IndexedDB. Keys are text, values bytes. A walk sees the store as it was when the walk began, and holds
 * its range in memory.
 *
 * @param name names the database within the page's origin
 * @throws {PeerfoldError} `HOME_LOCKED` when another tab has it open
 *
 * @example
 * ```ts
 * const index = await openKeyValue('index')
 * await index.put('a', new Uint8Array([1]))
 * await index.close()
 * ```
 */
export async function openKeyValue(name: string, init?: OpenLevelInit): Promise<KeyValue> {
  const level = await openLevel(name, init)
  walkSnapshots(level)
  return level
}
