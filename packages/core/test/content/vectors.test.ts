import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { blockCid } from '../../src/content/block-cid.js'
import { Chunker } from '../../src/content/chunker.js'
import { createGearTable } from '../../src/content/gear.js'
import { readContent } from '../../src/content/read-content.js'
import { writeContent } from '../../src/content/write-content.js'
import { chunkKey } from '../../src/crypto/chunk-key.js'
import { concatBytes, equalBytes, fromHex, toHex, toUtf8 } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'
import { crypto, join } from './fixture.js'

/** The vectors of docs/protocol/2-content.md: whoever implements the format can check against the same file. */
const vectors = JSON.parse(
  readFileSync(new URL('../../../../docs/protocol/vectors/content.json', import.meta.url), 'utf8'),
) as Vectors

interface Vectors {
  gearSeed: string
  dedupSecret: string
  gear: number[]
  input: { seed: string; size: number; sha256: string; chunks: number[] }
  chunk: { plaintext: string; hash: string; key: string; block: string; cid: string }
  contents: { input: string; size: number; root: string; key: string; plain: string; blocks: number }[]
}

const keys = { gearSeed: fromHex(vectors.gearSeed), dedupSecret: fromHex(vectors.dedupSecret) }

/** SHA-256(seed ‖ i as 4 bytes) for i = 0, 1, …: an input that anyone can make again. */
function makeInput(seed: string, size: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(size / 32) * 32)
  const counter = new Uint8Array(4)
  for (let i = 0; i * 32 < size; i++) {
    new DataView(counter.buffer).setUint32(0, i)
    bytes.set(sha256Now(toUtf8(seed), counter), i * 32)
  }
  return bytes.subarray(0, size)
}

describe('content vectors', () => {
  test('the gear table begins as written', () => {
    const gear = [...createGearTable(keys.gearSeed)].map((value) => value >>> 0)
    expect(gear.slice(0, vectors.gear.length)).toEqual(vectors.gear)
  })

  test('the input is cut where written', () => {
    const { seed, size, sha256, chunks } = vectors.input
    const content = makeInput(seed, size)
    expect(toHex(sha256Now(content))).toBe(sha256)
    const chunker = new Chunker(createGearTable(keys.gearSeed))
    const cut = [...chunker.push(content), chunker.finish() as Uint8Array]
    expect(cut.map((chunk) => chunk.length)).toEqual(chunks)
    expect(equalBytes(concatBytes(...cut), content)).toBe(true)
  })

  test('a chunk is sealed as written', async () => {
    const { plaintext, hash, key, block, cid } = vectors.chunk
    const bytes = toUtf8(plaintext)
    const [sealed] = await crypto.sealChunks(keys.dedupSecret, [bytes])
    expect(toHex(sha256Now(bytes))).toBe(hash)
    expect(toHex(chunkKey(keys.dedupSecret, fromHex(hash)))).toBe(key)
    expect(toHex(sealed?.bytes ?? new Uint8Array())).toBe(block)
    expect(blockCid(sealed?.digest ?? new Uint8Array()).toString()).toBe(cid)
  })

  for (const { input, size, root, key, plain, blocks } of vectors.contents) {
    test(`${size} bytes have the root as written`, async () => {
      const store = new MemoryBlockStore()
      const content = makeInput(input, size)
      const ref = await writeContent([content], { keys, crypto, sink: store })
      expect(ref.root.toString()).toBe(root)
      expect(toHex(ref.key)).toBe(key)
      expect(toHex(ref.plain)).toBe(plain)
      expect(store.size).toBe(blocks)
      expect(equalBytes(await join(readContent(ref, { source: store, crypto })), content)).toBe(true)
    })
  }
})
