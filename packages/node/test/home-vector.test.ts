import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { openDeviceJournal } from '../../core/src/device/journal.js'
import { fromHex, toHex } from '../../core/src/encoding/bytes.js'
import { createMemoryLogStore } from '../../core/src/testing/memory-log-store.js'
import { createNodeCrypto } from '../src/workers/node-crypto.js'

/** PROTOCOL.md §8.7 */
test('a journal record is written and read as the protocol says', async () => {
  const url = new URL('../../../docs/protocol/vectors/home.json', import.meta.url)
  const { key, salt, entries, record } = JSON.parse(await readFile(url, 'utf8')).journal as {
    key: string
    salt: string
    entries: Record<string, string | null>
    record: string
  }
  const crypto = createNodeCrypto()
  const random = { bytes: () => fromHex(salt) } as never
  const init = { key: fromHex(key), crypto, random }
  const written = createMemoryLogStore()
  const journal = await openDeviceJournal({ store: written, ...init })
  const batch = Object.entries(entries).map(
    ([name, value]) => [name, value === null ? undefined : fromHex(value)] as const,
  )
  await journal.set(batch)
  for await (const { bytes } of written.read(written.start)) expect(toHex(bytes)).toBe(record)

  const store = createMemoryLogStore()
  await store.append([fromHex(record)])
  const read = await openDeviceJournal({ store, ...init })
  const kept = Object.entries(entries).filter(([, value]) => value !== null)
  expect(read.keys('').map((name) => [name, toHex(read.get(name) as Uint8Array)])).toEqual(kept.sort())
  await crypto.close()
})
