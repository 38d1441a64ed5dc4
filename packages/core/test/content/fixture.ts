import type { ContentKeys, ContentRef } from '../../src/content/types.js'
import { writeContent } from '../../src/content/write-content.js'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { concatBytes } from '../../src/encoding/bytes.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

export const crypto = createWebCrypto()

export const keys: ContentKeys = {
  dedupSecret: new Uint8Array(32).fill(1),
  gearSeed: new Uint8Array(32).fill(2),
}

export const randomBytes = (label: string, size: number) => createSeededRandom(label).bytes(size)

export async function write(
  content: Uint8Array,
  store = new MemoryBlockStore(),
): Promise<{ ref: ContentRef; store: MemoryBlockStore }> {
  return { ref: await writeContent([content], { keys, crypto, sink: store }), store }
}

export async function join(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return concatBytes(...all)
}
