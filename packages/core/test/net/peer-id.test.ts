import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, test } from 'vitest'
import { isPeerfoldError } from '../../src/errors.js'
import { peerIdFromPublicKey, privateKeyFromSeed, publicKeyFromPeerId } from '../../src/net/peer-id.js'
import { rendezvousCid } from '../../src/net/rendezvous.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

describe('peer ids', () => {
  test('are those that libp2p gives the same key', async () => {
    const random = createSeededRandom('peer ids')
    for (let i = 0; i < 5; i++) {
      const key = await privateKeyFromSeed(random.bytes(32))
      const peer = peerIdFromPrivateKey(key).toString()
      expect(peerIdFromPublicKey(key.publicKey.raw)).toBe(peer)
      expect(publicKeyFromPeerId(peer)).toEqual(key.publicKey.raw)
    }
  })

  test('of another form are refused', () => {
    for (const text of [
      '',
      'not base58 0OIl',
      'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG',
      '12D3KooW',
    ]) {
      let error: unknown
      try {
        publicKeyFromPeerId(text)
      } catch (thrown) {
        error = thrown
      }
      expect(isPeerfoldError(error, 'INVALID_ARGUMENT'), text).toBe(true)
    }
    expect(() => peerIdFromPublicKey(new Uint8Array(31))).toThrow(/32 bytes/)
  })
})

describe('rendezvous', () => {
  test('names a key by itself, not by its hash', () => {
    const key = new Uint8Array(32).fill(7)
    expect(rendezvousCid(key).multihash.digest).toEqual(key)
    expect(() => rendezvousCid(new Uint8Array(31))).toThrow(/32 bytes/)
  })
})
