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
  const bytes = deriveKey(gearSeed, 'gear', new Uint8Array(), 4 * 256)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Int32Array.from({ length: 256 }, (_, i) => view.getInt32(4 * i))
}
