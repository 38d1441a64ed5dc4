import { describe, expect, test } from 'vitest'
import { boxPublicKey, openBox, sealBox } from '../../src/access/box.js'
import {
  createDeviceSecrets,
  devicePublicKeys,
  needsPassphrase,
  unwrapSecrets,
  wrapSecrets,
} from '../../src/access/device-secrets.js'
import { keyOfPeerId, peerIdOfKey } from '../../src/access/peer-key.js'
import { fromHex } from '../../src/encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../../src/encoding/cbor.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { crypto } from './fixtures.js'

const random = createSeededRandom('secrets')
const secrets = createDeviceSecrets(random)
const cheap = { cost: { logN: 4, p: 1 } }
const init = { crypto, random }

describe('device secrets at rest', () => {
  const key = random.bytes(32)

  test('open with the key that wrapped them', async () => {
    const wrapped = await wrapSecrets(init, secrets, key)
    expect(needsPassphrase(wrapped)).toBe(false)
    expect(await unwrapSecrets(crypto, wrapped, key)).toEqual(secrets)
  })

  test('open with the passphrase that wrapped them, however its letters are composed', async () => {
    const wrapped = await wrapSecrets(init, secrets, { passphrase: 'caf\u00e9' }, cheap)
    expect(needsPassphrase(wrapped)).toBe(true)
    expect(await unwrapSecrets(crypto, wrapped, { passphrase: 'cafe\u0301' })).toEqual(secrets)
  })

  test('never lie in clear, and never twice in the same bytes', async () => {
    const once = await wrapSecrets(init, secrets, key)
    const twice = await wrapSecrets(init, secrets, key)
    expect(once).not.toEqual(twice)
    const hex = Buffer.from(once).toString('hex')
    for (const secret of Object.values(secrets))
      expect(hex).not.toContain(Buffer.from(secret).toString('hex'))
  })

  test('the wrong key, passphrase or kind says so', async () => {
    const byKey = await wrapSecrets(init, secrets, key)
    const byPassphrase = await wrapSecrets(init, secrets, { passphrase: 'right' }, cheap)
    const failed = { code: 'DECRYPT_FAILED' }
    await expect(unwrapSecrets(crypto, byKey, random.bytes(32))).rejects.toMatchObject(failed)
    await expect(unwrapSecrets(crypto, byPassphrase, { passphrase: 'wrong' })).rejects.toMatchObject(failed)
    await expect(unwrapSecrets(crypto, byKey, { passphrase: 'right' })).rejects.toMatchObject(failed)
    await expect(unwrapSecrets(crypto, byPassphrase, key)).rejects.toMatchObject(failed)
  })

  test('a changed file cannot ask for unbounded memory, and a later version is told apart', async () => {
    const wrapped = decodeCbor(await wrapSecrets(init, secrets, { passphrase: 'p' }, cheap)) as object
    const bomb = encodeCbor({ ...wrapped, scrypt: { logN: 30, p: 1 } })
    await expect(unwrapSecrets(crypto, bomb, { passphrase: 'p' })).rejects.toMatchObject({
      code: 'HOME_INVALID',
    })
    const later = encodeCbor({ ...wrapped, v: 2 })
    await expect(unwrapSecrets(crypto, later, key)).rejects.toMatchObject({ code: 'PROTOCOL_UNSUPPORTED' })
  })
})

describe('a box', () => {
  const secret = random.bytes(32)
  const box = sealBox(random, boxPublicKey(secret), 'test', fromHex('010203'))

  test('opens for its recipient and purpose only', () => {
    expect(openBox(secret, 'test', box)).toEqual(fromHex('010203'))
    const failed = expect.objectContaining({ code: 'DECRYPT_FAILED' })
    expect(() => openBox(random.bytes(32), 'test', box)).toThrow(failed)
    expect(() => openBox(secret, 'other', box)).toThrow(failed)
  })

  test('with any bit changed, or cut anywhere, it stays shut', () => {
    for (let bit = 0; bit < box.length * 8; bit += 7) {
      const bent = box.slice()
      bent[bit >>> 3] = (bent[bit >>> 3] as number) ^ (1 << (bit & 7))
      // The highest bit of an X25519 key has no meaning; it is bound by the nonce all the same.
      expect(() => openBox(secret, 'test', bent)).toThrow(expect.objectContaining({ code: 'DECRYPT_FAILED' }))
    }
    for (let length = 0; length < box.length; length++) {
      expect(() => openBox(secret, 'test', box.subarray(0, length))).toThrow()
    }
  })

  test('neither goes to nor comes from a key that gives the all-zero secret (case 16)', () => {
    const smallOrder = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ].map(fromHex)
    for (const key of smallOrder) {
      expect(() => sealBox(random, key, 'test', new Uint8Array(1))).toThrow(
        expect.objectContaining({ code: 'CERTIFICATE_INVALID' }),
      )
      const forged = new Uint8Array([...key, ...new Uint8Array(17)])
      expect(() => openBox(secret, 'test', forged)).toThrow(
        expect.objectContaining({ code: 'DECRYPT_FAILED' }),
      )
    }
  })
})

describe('a PeerId', () => {
  test("is libp2p's for the same Ed25519 key", async () => {
    const { generateKeyPairFromSeed } = await import('@libp2p/crypto/keys')
    const { peerIdFromPrivateKey } = await import('@libp2p/peer-id')
    const { peer, peerKey } = devicePublicKeys(crypto, secrets)
    expect(peer).toBe(
      peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', secrets.peerSeed)).toString(),
    )
    expect(keyOfPeerId(peer)).toEqual(peerKey)
  })

  test('of another kind of key, or no PeerId at all, is refused', () => {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
    const rsa = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
    for (const peer of ['', rsa, 'x'.repeat(52), peerIdOfKey(new Uint8Array(32)).slice(1)]) {
      expect(() => keyOfPeerId(peer)).toThrow(refused)
    }
  })
})
