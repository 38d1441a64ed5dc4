import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, test } from 'vitest'
import { keyOfPeerId, peerIdOfKey } from '../../src/access/peer-key.js'
import { privateKeyFromSeed } from '../../src/net/private-key.js'
import { rendezvousCid } from '../../src/net/rendezvous.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

describe('keys', () => {
  test('have the PeerId that certificates name them by', async () => {
    const random = createSeededRandom('peer ids')
    for (let i = 0; i < 5; i++) {
      const key = await privateKeyFromSeed(random.bytes(32))
      const peer = peerIdFromPrivateKey(key).toString()
      expect(peerIdOfKey(key.publicKey.raw)).toBe(peer)
      expect(keyOfPeerId(peer)).toEqual(key.publicKey.raw)
    }
  })

  test('come from 32 bytes', async () => {
    await expect(privateKeyFromSeed(new Uint8Array(31))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('rendezvous', () => {
  test('names a key by itself, not by its hash', () => {
    const key = new Uint8Array(32).fill(7)
    expect(rendezvousCid(key).multihash.digest).toEqual(key)
    expect(() => rendezvousCid(new Uint8Array(31))).toThrow(/32 bytes/)
  })
})
