import { chunkKey } from '../crypto/chunk-key.js'
import { concatBytes, fromHex, toHex, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { Crypto } from '../ports/crypto.js'
import { assertAborts, assertCode, assertEqual, assertTrue } from './assert.js'
import { ED25519_CASES } from './ed25519-cases.js'
import type { SuiteRunner } from './runner.js'
import { createSeededRandom } from './seeded-random.js'

/** Sizes around the limits at which a backend may change its way of working. */
const SIZES = [0, 1, 15, 16, 17, 4096, 65_536, 300_000]

/**
 * What every `Crypto` backend must do, with the same bytes and the same verdicts.
 *
 * @param create gives a fresh backend; the suite closes it
 *
 * @example
 * ```ts
 * cryptoSuite({ describe, test }, () => createWebCrypto())
 * ```
 */
export function cryptoSuite(runner: SuiteRunner, create: () => Crypto | Promise<Crypto>): void {
  const test = (name: string, body: (crypto: Crypto) => Promise<void>) =>
    runner.test(name, async () => {
      const crypto = await create()
      try {
        await body(crypto)
      } finally {
        await crypto.close()
      }
    })
  runner.describe('hash', () => hashTests(test))
  runner.describe('seal and open', () => sealTests(test))
  runner.describe('sealed chunks', () => chunkTests(test))
  runner.describe('Ed25519', () => signatureTests(test))
  runner.describe('lifecycle', () => lifecycleTests(test))
}

type CryptoTest = (name: string, body: (crypto: Crypto) => Promise<void>) => void

function hashTests(test: CryptoTest): void {
  test('is SHA-256', async (crypto) => {
    const [empty, abc] = await crypto.hash([new Uint8Array(), toUtf8('abc')])
    assertEqual(
      toHex(empty as Uint8Array),
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
    assertEqual(toHex(abc as Uint8Array), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  test('answers in order for every size', async (crypto) => {
    const inputs = samples('hash')
    assertEqual(
      await crypto.hash(inputs),
      inputs.map((input) => sha256Now(input)),
    )
  })

  test('reads a view, not its whole buffer, and leaves it as it was', async (crypto) => {
    const buffer = createSeededRandom('view').bytes(200_000)
    const view = buffer.subarray(1000, 150_000)
    assertEqual(await crypto.hash([view]), [sha256Now(view)])
    assertEqual(view.length, 149_000)
    assertEqual(await crypto.hash([view]), [sha256Now(view)])
  })

  test('takes an empty batch', async (crypto) => {
    assertEqual(await crypto.hash([]), [])
  })
}

function sealTests(test: CryptoTest): void {
  test('is AES-256-GCM with a zero nonce', async (crypto) => {
    // NIST GCM test cases 13 and 14.
    const key = new Uint8Array(32)
    const [empty, block] = await crypto.seal([
      { key, plaintext: new Uint8Array() },
      { key, plaintext: new Uint8Array(16) },
    ])
    assertEqual(toHex(empty as Uint8Array), '530f8afbc74536b9a963b4f1c4cb738b')
    assertEqual(
      toHex(block as Uint8Array),
      'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    )
  })

  test('opens what it sealed, with and without associated data', async (crypto) => {
    const random = createSeededRandom('seal')
    const jobs = samples('seal').flatMap((plaintext) => [
      { key: random.bytes(32), plaintext },
      { key: random.bytes(32), plaintext, aad: random.bytes(50) },
    ])
    const sealed = await crypto.seal(jobs)
    const opened = await crypto.open(
      jobs.map(({ plaintext: _, ...rest }, i) => ({ ...rest, ciphertext: sealed[i] as Uint8Array })),
    )
    assertEqual(
      opened,
      jobs.map((job) => job.plaintext),
    )
  })

  test('refuses a changed bit, other associated data, another key and a cut tag, and names the job', async (crypto) => {
    const key = new Uint8Array(32).fill(1)
    const aad = toUtf8('header')
    const [ciphertext] = (await crypto.seal([{ key, plaintext: toUtf8('content'), aad }])) as [Uint8Array]
    const good = { key, ciphertext, aad }
    const bad = [
      { ...good, ciphertext: flipped(ciphertext, 0) },
      { ...good, ciphertext: flipped(ciphertext, ciphertext.length - 1) },
      { ...good, aad: toUtf8('Header') },
      { key, ciphertext },
      { ...good, key: new Uint8Array(32).fill(2) },
      { ...good, ciphertext: ciphertext.subarray(0, 15) },
      { ...good, ciphertext: new Uint8Array() },
    ]
    for (const job of bad) {
      const error = await assertCode(crypto.open([good, job, good]), 'DECRYPT_FAILED')
      assertEqual(error.details.index, 1)
    }
    assertEqual(await crypto.open([good]), [toUtf8('content')])
  })

  test('refuses a key of another length', async (crypto) => {
    const key = new Uint8Array(16)
    await assertCode(crypto.seal([{ key, plaintext: new Uint8Array(4) }]), 'INVALID_ARGUMENT')
    await assertCode(crypto.open([{ key, ciphertext: new Uint8Array(40) }]), 'INVALID_ARGUMENT')
  })
}

function chunkTests(test: CryptoTest): void {
  const secret = createSeededRandom('dedup secret').bytes(32)

  test('are sealed under HKDF(dedup secret, hash) and named by the hash of the ciphertext', async (crypto) => {
    const chunks = samples('chunks')
    const sealed = await crypto.sealChunks(secret, chunks)
    for (const [i, chunk] of chunks.entries()) {
      const { hash, key, digest, bytes } = sealed[i] as (typeof sealed)[number]
      assertEqual(hash, sha256Now(chunk))
      assertEqual(key, chunkKey(secret, hash))
      assertEqual([bytes], await crypto.seal([{ key, plaintext: chunk }]))
      assertEqual(digest, sha256Now(bytes))
    }
  })

  test('open to what they were', async (crypto) => {
    const chunks = samples('chunks')
    const sealed = await crypto.sealChunks(secret, chunks)
    assertEqual(await crypto.openChunks(sealed), chunks)
  })

  test('open to the same when they are given up, and are whole afterwards when they are not', async (crypto) => {
    const chunks = [createSeededRandom('opened').bytes(200_000), toUtf8('small')]
    const sealed = await crypto.sealChunks(secret, chunks)
    const before = sealed.map(({ bytes }) => sha256Now(bytes))
    assertEqual(await crypto.openChunks(sealed), chunks)
    assertEqual(
      sealed.map(({ bytes }) => sha256Now(bytes)),
      before,
    )
    assertEqual(await crypto.openChunks(sealed, { giveUp: true }), chunks)
  })

  test('whose plaintext is not the promised one are refused', async (crypto) => {
    const [sealed] = await crypto.sealChunks(secret, [toUtf8('promised')])
    assertTrue(sealed !== undefined, 'one chunk gives one sealed chunk')
    const error = await assertCode(
      crypto.openChunks([sealed, { ...sealed, hash: sha256Now(toUtf8('other')) }]),
      'DECRYPT_FAILED',
    )
    assertEqual(error.details.index, 1)
  })

  test('are detached only when the caller gives them up', async (crypto) => {
    const chunk = createSeededRandom('kept').bytes(200_000)
    const before = sha256Now(chunk)
    await crypto.sealChunks(secret, [chunk])
    assertEqual(sha256Now(chunk), before)
    const [sealed] = await crypto.sealChunks(secret, [chunk], { giveUp: true })
    assertEqual(sealed?.hash, before)
  })

  test('in one buffer may be sealed where they lie, with the same result', async (crypto) => {
    const chunks = [createSeededRandom('in place').bytes(200_000), toUtf8('small'), new Uint8Array()]
    const expected = await crypto.sealChunks(secret, chunks)
    const slab = new Uint8Array(300_000)
    let at = 0
    const placed = chunks.map((chunk) => {
      slab.set(chunk, at)
      const view = slab.subarray(at, at + chunk.length)
      at += chunk.length + 16
      return view
    })
    const sealed = await crypto.sealChunks(secret, placed, { giveUp: true, inPlace: true })
    assertEqual(sealed, expected)
  })

  test('of a secret with another length are refused', async (crypto) => {
    await assertCode(crypto.sealChunks(new Uint8Array(31), [new Uint8Array(1)]), 'INVALID_ARGUMENT')
  })
}

function signatureTests(test: CryptoTest): void {
  test('signs as RFC 8032 says', async (crypto) => {
    // RFC 8032 §7.1, test 2.
    const seed = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')
    assertEqual(
      toHex(crypto.publicKey(seed)),
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    )
    assertEqual(
      toHex(await crypto.sign(seed, fromHex('72'))),
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
  })

  test('verifies what it signed, each job on its own', async (crypto) => {
    const seed = new Uint8Array(32).fill(5)
    const publicKey = crypto.publicKey(seed)
    const messages = [new Uint8Array(), toUtf8('one'), createSeededRandom('message').bytes(100_000)]
    const jobs = await Promise.all(
      messages.map(async (message) => ({ publicKey, message, signature: await crypto.sign(seed, message) })),
    )
    const wrong = { ...(jobs[1] as (typeof jobs)[number]), message: toUtf8('two') }
    assertEqual(await crypto.verify([...jobs, wrong]), [true, true, true, false])
  })

  for (const { name, publicKey, message, signature, valid } of ED25519_CASES) {
    test(`${valid ? 'accepts' : 'refuses'} ${name}`, async (crypto) => {
      const job = { publicKey: fromHex(publicKey), message: toUtf8(message), signature: fromHex(signature) }
      assertEqual(await crypto.verify([job]), [valid])
    })
  }

  test('refuses keys and signatures of other lengths', async (crypto) => {
    const seed = new Uint8Array(32).fill(6)
    const message = toUtf8('m')
    const publicKey = crypto.publicKey(seed)
    const signature = await crypto.sign(seed, message)
    const jobs = [
      { publicKey, message, signature },
      { publicKey: publicKey.subarray(1), message, signature },
      { publicKey, message, signature: signature.subarray(1) },
      { publicKey, message, signature: concatBytes(signature, new Uint8Array(1)) },
      { publicKey: new Uint8Array(), message, signature: new Uint8Array() },
    ]
    assertEqual(await crypto.verify(jobs), [true, false, false, false, false])
  })

  test('refuses a seed of another length', async (crypto) => {
    await assertCode(crypto.sign(new Uint8Array(33), new Uint8Array()), 'INVALID_ARGUMENT')
  })
}

function lifecycleTests(test: CryptoTest): void {
  const key = new Uint8Array(32)

  test('honours an aborted signal in every call', async (crypto) => {
    const bytes = new Uint8Array(100_000)
    await assertAborts((signal) => crypto.hash([bytes], { signal }))
    await assertAborts((signal) => crypto.seal([{ key, plaintext: bytes }], { signal }))
    await assertAborts((signal) => crypto.open([{ key, ciphertext: bytes }], { signal }))
    await assertAborts((signal) => crypto.sealChunks(key, [bytes], { signal }))
    await assertAborts((signal) => crypto.openChunks([{ key, bytes, hash: key }], { signal }))
    await assertAborts((signal) => crypto.sign(key, bytes, { signal }))
    await assertAborts((signal) =>
      crypto.verify([{ publicKey: key, message: bytes, signature: new Uint8Array(64) }], { signal }),
    )
  })

  test('works on many batches at once', async (crypto) => {
    const random = createSeededRandom('many')
    const batches = Array.from({ length: 20 }, () => [random.bytes(50_000), random.bytes(70_000)])
    const hashes = await Promise.all(batches.map((batch) => crypto.hash(batch)))
    assertEqual(
      hashes,
      batches.map((batch) => batch.map((input) => sha256Now(input))),
    )
  })

  test('refuses calls once closed, and closes twice', async (crypto) => {
    await crypto.close()
    await crypto.close()
    await assertCode(crypto.hash([key]), 'CLOSED')
    await assertCode(crypto.sealChunks(key, [key]), 'CLOSED')
    await assertCode(crypto.sign(key, key), 'CLOSED')
  })
}

function samples(label: string): Uint8Array[] {
  const random = createSeededRandom(label)
  return SIZES.map((size) => random.bytes(size))
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}
