import { toHex } from '../encoding/bytes.js'
import { deriveKey } from '../encoding/derive.js'

/** 256 numbers of 32 bits, one for each byte value. */
export type GearTable = Int32Array

/**
 * The chunker's table, derived from a secret seed, so that an outsider cannot tell from chunk lengths alone which known file was cut
 * (PROTOCOL.md §2.1).
 *
 * @param gearSeed 32 bytes
 */
export function createGearTable(gearSeed: Uint8Array): GearTable {
  // A workspace cuts all of its files with one seed, and deriving takes as long as chunking a small file.
  const seed = toHex(gearSeed)
  const known = recent.get(seed)
  if (known !== undefined) return known
  const table = deriveTable(gearSeed)
  if (recent.size >= MAX_RECENT) recent.delete(recent.keys().next().value as string)
  recent.set(seed, table)
  return table
}

const MAX_RECENT = 16
const recent = new Map<string, GearTable>()

function deriveTable(gearSeed: Uint8Array): GearTable {
  const bytes = deriveKey(gearSeed, 'gear', new Uint8Array(), 4 * 256)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Int32Array.from({ length: 256 }, (_, i) => view.getInt32(4 * i))
}
