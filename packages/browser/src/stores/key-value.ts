import type { KeyValue } from '@peerfold/core'
import { type OpenLevelInit, openLevel } from './open-level.js'

/**
 * Opens a key-value store in IndexedDB. Keys are text, values bytes.
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
  return openLevel(name, init)
}
