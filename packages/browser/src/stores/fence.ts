import { PeerfoldError } from '@peerfold/core'
import type { Level } from './open-level.js'

/** Where a database keeps the token of its latest owner. */
const FENCE = new TextEncoder().encode('fence')

export interface FencedWrite {
  puts: ReadonlyArray<readonly [key: string, value: Uint8Array]>
}

/**
 * Writes all or nothing, and only while nobody with a later token has written: both in one IndexedDB transaction. Web Locks already keep owners
 * apart; a page that was frozen and wakes up after it lost its lock is stopped here.
 *
 * @throws {PeerfoldError} `HOME_LOCKED` when there is a later owner
 */
export function writeFenced(level: Level, token: number, { puts }: FencedWrite): Promise<void> {
  const { db } = level as unknown as { db: IDBDatabase }
  const name = level.location
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(name, 'readwrite')
    const store = transaction.objectStore(name)
    let fenced: PeerfoldError | undefined
    const latest = store.get(FENCE)
    latest.onsuccess = () => {
      if (tokenOf(latest.result) > token) {
        fenced = new PeerfoldError('HOME_LOCKED', 'another tab has taken over', {
          hint: 'Reload this tab.',
        })
        return transaction.abort()
      }
      store.put(encodeToken(token), FENCE)
      for (const [key, value] of puts) store.put(value, new TextEncoder().encode(key))
    }
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(fenced ?? transaction.error)
  })
}

function tokenOf(value: unknown): number {
  if (!(value instanceof Uint8Array) || value.length !== 8) return 0
  return Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0))
}

function encodeToken(token: number): Uint8Array {
  const value = new Uint8Array(8)
  new DataView(value.buffer).setBigUint64(0, BigInt(token))
  return value
}
