import { describe, expect, test } from 'vitest'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { cryptoSuite } from '../../src/testing/crypto-suite.js'
import { createDeterministicCrypto } from '../../src/testing/deterministic-crypto.js'

describe('WebCrypto', () => cryptoSuite({ describe, test }, () => createWebCrypto()))

describe('WebCrypto without Ed25519', () =>
  cryptoSuite({ describe, test }, () => createWebCrypto({ subtle: withoutEd25519() })))

describe('plain JavaScript', () => cryptoSuite({ describe, test }, () => createDeterministicCrypto()))

describe('simulated signatures', () => {
  const crypto = createDeterministicCrypto({ signatures: 'simulated' })
  const seed = new Uint8Array(32).fill(1)

  test('have the sizes of real ones and are refused when anything changes', async () => {
    const message = new Uint8Array([1, 2, 3])
    const publicKey = crypto.publicKey(seed)
    const signature = await crypto.sign(seed, message)
    expect([publicKey.length, signature.length]).toEqual([32, 64])
    const other = { publicKey, message: new Uint8Array([1, 2, 4]), signature }
    expect(await crypto.verify([{ publicKey, message, signature }, other])).toEqual([true, false])
  })
})

/** A platform like the browsers of 2023: everything but Ed25519. */
function withoutEd25519(): SubtleCrypto {
  const { subtle } = globalThis.crypto
  return new Proxy(subtle, {
    get(target, name) {
      if (name === 'importKey') {
        return (format: 'raw', key: BufferSource, algorithm: string, ...rest: [boolean, KeyUsage[]]) => {
          if (algorithm === 'Ed25519') {
            return Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError'))
          }
          return target.importKey(format, key, algorithm, ...rest)
        }
      }
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
