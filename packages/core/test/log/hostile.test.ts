import { encode } from '@ipld/dag-cbor'
import { describe, expect, test } from 'vitest'
import { concatBytes, fromHex, toHex, toUtf8 } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { decodeEnvelope, type Sealed, verifyEnvelope } from '../../src/log/envelope.js'
import { type Held, Holding, type HoldReason } from '../../src/log/holding.js'
import type { ReceiveResult } from '../../src/log/types.js'
import { ED25519_CASES } from '../../src/testing/ed25519-cases.js'
import { crypto, epochOf, exchange, HANDLE, openPeer, type Peer } from './fixtures.js'
import { type Forgery, forge, padding, SEED } from './forge.js'

/** Each case has a harmless twin, built the same way, that is accepted: so what is refused is refused for the reason named. */

async function deliver(peer: Peer, ...forgeries: Forgery[]): Promise<ReceiveResult> {
  const forged = await Promise.all(forgeries.map((forgery) => forge(forgery)))
  return peer.log.receive(forged.map(({ bytes }) => bytes))
}

async function expectRefused(
  forgery: Forgery,
  blame: 'forwarder' | 'author',
  code = 'COMMIT_INVALID',
): Promise<void> {
  const peer = await openPeer('victim')
  const result = await deliver(peer, forgery)
  expect(result.rejected.map((one) => [one.error.code, one.blame])).toEqual([[code, blame]])
  expect(result.applied).toEqual([])
  expect(await peer.state()).toEqual({})
}

async function expectAccepted(...forgeries: Forgery[]): Promise<Peer> {
  const peer = await openPeer('victim')
  const result = await deliver(peer, ...forgeries)
  expect(result.rejected).toEqual([])
  expect(result.applied).toHaveLength(forgeries.length)
  return peer
}

function heldOf(sealed: Sealed, id: string, reason: HoldReason): Held {
  const { epoch, feed } = sealed
  const at = { received: 0, position: undefined, next: undefined }
  return { id, reason, sealed, body: undefined, epoch, feed, missing: new Set(), ...at }
}

describe('hostile commits', () => {
  test('the harmless twin of all: an honest commit made by hand is accepted', async () => {
    const peer = await expectAccepted({ text: 'hello' })
    expect(Object.values(await peer.state())).toEqual(['hello'])
  })

  test('14: a malleated signature (S + L) is refused', async () => {
    const L = 2n ** 252n + 27742317777372353535851937790883648493n
    const addL = async (message: Uint8Array) => {
      const signature = await crypto.sign(SEED, message)
      let s = BigInt(`0x${toHex(signature.slice(32).reverse())}`) + L
      for (let i = 32; i < 64; i++, s >>= 8n) signature[i] = Number(s & 0xffn)
      return signature
    }
    await expectAccepted({ sign: (message) => crypto.sign(SEED, message) })
    await expectRefused({ sign: addL }, 'forwarder')
  })

  test('15: a key of small order, which any signature would fit, is refused', async () => {
    const identity = new Uint8Array(32)
    identity[0] = 1
    const nothing = concatBytes(identity, new Uint8Array(32))
    await expectAccepted({ feedKey: crypto.publicKey(SEED) })
    await expectRefused({ feedKey: identity, sign: async () => nothing }, 'forwarder')
    expect(ED25519_CASES.length).toBeGreaterThan(0)
  })

  test('17: a commit of another workspace is refused, even under our keys', async () => {
    await expectAccepted({})
    await expectRefused({ handle: sha256Now(toUtf8('other')) }, 'forwarder')
  })

  test('17: a body moved to another feed is refused', async () => {
    const [victim, thief] = [sha256Now(crypto.publicKey(SEED)), sha256Now(toUtf8('thief'))]
    const proof = concatBytes(crypto.publicKey(thief), new Uint8Array(32))
    await expectAccepted({ seed: thief, body: { proof } })
    await expectRefused({ seed: thief, body: { proof, feed: victim } }, 'author')
  })

  test('17: a feed whose proof was made for another is refused', async () => {
    const thief = sha256Now(toUtf8('thief'))
    const stolen = concatBytes(crypto.publicKey(SEED), new Uint8Array(32))
    await expectRefused({ seed: thief, body: { proof: stolen } }, 'author', 'CERTIFICATE_INVALID')
  })

  test('17: a body moved to another seq is refused', async () => {
    const first = await forge({})
    const second = { seq: 2, prev: first.id }
    await expectAccepted({}, second)
    const peer = await openPeer('victim')
    const result = await deliver(peer, {}, { ...second, body: { seq: 3 } })
    expect(result.applied).toEqual([first.id])
    expect(result.rejected.map(({ blame }) => blame)).toEqual(['author'])
  })

  test('17: seq and prev must follow', async () => {
    const first = await forge({})
    const other = await forge({ seed: sha256Now(toUtf8('other')) })
    for (const wrong of [
      { seq: 3, prev: first.id },
      { seq: 2, prev: other.id },
    ]) {
      const peer = await openPeer('victim')
      const result = await peer.log.receive([first.bytes, other.bytes, (await forge(wrong)).bytes])
      expect(result.applied).toHaveLength(2)
      expect(result.rejected).toHaveLength(1)
    }
    await expectRefused({ seq: 2 }, 'forwarder')
  })

  test('18: a flipped bit anywhere in the sealed commit is refused', async () => {
    const { bytes } = await forge({ text: 'precious' })
    const { header } = decodeEnvelope(bytes)
    const peer = await openPeer('victim')
    const flipped = Array.from({ length: header.length }, (_, i) => {
      const copy = bytes.slice()
      const at = i + 3
      copy[at] = (copy[at] as number) ^ (1 << (i % 8))
      return copy
    })
    const result = await peer.log.receive(flipped)
    expect(result.applied).toEqual([])
    expect(result.rejected).toHaveLength(header.length)
    expect((await peer.log.receive([bytes])).applied).toHaveLength(1)
  })

  test('18: a header changed under a good signature does not open', async () => {
    const { bytes } = await forge({})
    const { header, ciphertext, feedKey } = decodeEnvelope(bytes)
    const changed = header.slice()
    const saltAt = header.length - 10
    changed[saltAt] = (changed[saltAt] as number) ^ 1
    const resign = async (clear: Uint8Array) => {
      const id = sha256Now(clear, ciphertext)
      const signature = await crypto.sign(SEED, concatBytes(toUtf8('peerfold/1/commit\0'), id))
      return encode([clear, ciphertext, feedKey, signature])
    }
    const peer = await openPeer('victim')
    const result = await peer.log.receive([await resign(changed)])
    expect(result.rejected.map(({ error, blame }) => [error.code, blame])).toEqual([
      ['DECRYPT_FAILED', 'author'],
    ])
    expect((await peer.log.receive([await resign(header)])).applied).toHaveLength(1)
  })

  test('13: what is not canonical is refused, at each layer', async () => {
    const longForm = (fields: unknown) => {
      const bytes = encode(fields)
      return concatBytes(Uint8Array.of(0x98, (bytes[0] as number) & 0x1f), bytes.subarray(1))
    }
    await expectAccepted({ encodeEnvelope: encode, encodeHeader: encode, encodeBody: encode })
    await expectRefused({ encodeEnvelope: longForm }, 'forwarder')
    await expectRefused(
      { encodeEnvelope: (fields) => concatBytes(encode(fields), Uint8Array.of(0)) },
      'forwarder',
    )
    await expectRefused({ encodeHeader: longForm }, 'forwarder')
    const twice = (map: Record<string, unknown>) => {
      const bytes = encode(map)
      const again = encode({ v: 1 }).subarray(1)
      return concatBytes(Uint8Array.of((bytes[0] as number) + 1), again, bytes.subarray(1))
    }
    await expectRefused({ encodeBody: twice }, 'author')
    await expectRefused({ encodeBody: (map) => encode({ ...map, extra: 1 }) }, 'author')
    const ops = (map: Uint8Array) => ({
      encodeBody: (fields: Record<string, unknown>) => {
        const bytes = encode({ ...fields, ops: [{ type: 'x' }] })
        const honest = encode({ type: 'x' })
        const at = toHex(bytes).indexOf(toHex(honest)) / 2
        return concatBytes(bytes.subarray(0, at), map, bytes.subarray(at + honest.length))
      },
    })
    await expectAccepted(ops(encode({ type: 'x' })))
    const type = encode({ type: 'x' }).subarray(1)
    await expectRefused(ops(concatBytes(Uint8Array.of(0xa2), type, type)), 'author')
  })

  test('7: keys like __proto__ in an operation change no object', async () => {
    const poisoned = concatBytes(
      Uint8Array.of(0xa2),
      encode({ type: 'x' }).subarray(1),
      Uint8Array.of(0x69),
      toUtf8('__proto__'),
      encode({ polluted: true }),
    )
    const peer = await openPeer('victim')
    const result = await deliver(peer, {
      encodeBody: (fields) => {
        const bytes = encode({ ...fields, ops: [{ type: 'x' }] })
        const honest = encode({ type: 'x' })
        const at = toHex(bytes).indexOf(toHex(honest)) / 2
        return concatBytes(bytes.subarray(0, at), poisoned, bytes.subarray(at + honest.length))
      },
    })
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(result.applied).toEqual([])
  })

  test('padding that hides bytes, or has another length, is refused', async () => {
    const last = (body: Uint8Array, value: number) => {
      const bytes = padding(body)
      bytes[bytes.length - 1] = value
      return bytes
    }
    const text = 'x'.repeat(300)
    await expectAccepted({ text, pad: (body) => last(body, 0) })
    await expectRefused({ text, pad: (body) => last(body, 1) }, 'author')
    await expectRefused({ text, pad: (body) => concatBytes(padding(body), new Uint8Array(64)) }, 'author')
    await expectRefused({ text, pad: (body) => padding(body).subarray(0, 100) }, 'author')
  })

  test('a stamp that is not above its causes, or uses the counter up, voids the feed from there', async () => {
    const first = await forge({})
    await expectAccepted({}, { seq: 2, prev: first.id, body: { stamp: 2 } })
    for (const stamp of [1, 2 ** 33]) {
      const peer = await openPeer('victim')
      const bad = await forge({ seq: 2, prev: first.id, body: { stamp } })
      const after = await forge({ seq: 3, prev: bad.id, body: { stamp: stamp + 1 } })
      const result = await peer.log.receive([first.bytes, bad.bytes, after.bytes])
      expect(result.applied).toEqual([first.id])
      expect(result.rejected.map(({ blame }) => blame)).toEqual(['author', 'author'])
      const good = await forge({ seq: 2, prev: first.id, text: 'instead' })
      expect((await peer.log.receive([good.bytes])).applied).toEqual([good.id])
      expect((await peer.say('life goes on')).stamp).toBe(3)
    }
  })

  test('12: of a transaction with one invalid update none applies, and its feed ends there for good', async () => {
    const updates = (...texts: string[]) => ({ updates: texts.map((text, i) => [i, toUtf8(text)]) })
    const first = await forge({ body: updates('fine', 'fine, too') })
    const bad = await forge({ seq: 2, prev: first.id, body: updates('good', 'bad!', 'good') })
    const after = await forge({ seq: 3, prev: bad.id, body: updates('upon it') })
    let peer = await openPeer('victim')
    await peer.say('mine')
    const result = await peer.log.receive([first.bytes, bad.bytes])
    expect(result.applied).toEqual([first.id])
    expect(result.rejected.map(({ id, error, blame }) => [id, error.code, blame])).toEqual([
      [bad.id, 'UPDATE_INVALID', 'author'],
    ])
    peer = await peer.restart()
    const later = await peer.log.receive([after.bytes])
    expect(later.rejected.map(({ id, blame }) => [id, blame])).toEqual([[after.id, 'author']])
    expect(Object.values(await peer.state()).sort()).toEqual(['fine', 'fine, too', 'mine'])
    const end = peer.store.end
    const more = await forge({ seq: 2, prev: first.id, body: updates('worse!') })
    expect((await peer.log.receive([more.bytes])).rejected).toHaveLength(1)
    expect(peer.store.end, 'no more of the kind are kept').toBe(end)
  })

  test('a flood of other feeds, each with a bad commit, leaves honest ones alone', async () => {
    const [a, b] = [await openPeer('a'), await openPeer('b')]
    for (let i = 0; i < 20; i++) await deliver(a, { seed: sha256Now(toUtf8(`flood ${i}`)), text: 'no!' })
    await b.say('hello')
    await exchange(a, b)
    expect(await a.state()).toEqual(await b.state())
  })

  test('11: commits whose causes never come are bounded, and apply once the causes do', async () => {
    const first = await forge({})
    const orphans = []
    for (let i = 0; i < 50; i++) {
      const proofless = { seq: 2, prev: first.id, text: `orphan ${i}` }
      orphans.push(await forge(proofless))
    }
    const peer = await openPeer('victim')
    const result = await peer.log.receive(orphans.map(({ bytes }) => bytes))
    expect(result.held).toHaveLength(50)
    expect(result.held[0]).toMatchObject({ missing: [first.id], reason: 'dep' })
    expect(peer.store.end).toBe(0)
    expect((await peer.log.receive([first.bytes])).applied).toHaveLength(51)
  })

  test('11: of commits that nobody here can open, only so many are held; the newest', async () => {
    const { bytes } = await forge({ epoch: epochOf('not here yet') })
    const sealed = await verifyEnvelope(crypto, HANDLE, bytes)
    const holding = new Holding()
    const dep = holding.add(heldOf(sealed, 'honest', 'dep'))
    const gone = Array.from({ length: 2100 }, (_, i) =>
      holding.add(heldOf(sealed, `junk ${i}`, 'key')),
    ).flat()
    expect(dep).toEqual([])
    expect(gone).toEqual(Array.from({ length: 2100 - 2048 }, (_, i) => `junk ${i}`))
    expect(holding.has('honest')).toBe(true)
    const peer = await openPeer('victim')
    expect((await peer.log.receive([bytes])).held).toMatchObject([{ reason: 'key', missing: [] }])
  })

  test('a clock years ahead: the commit applies, its time is not believed, the device is named', async () => {
    const peer = await openPeer('victim')
    const now = peer.clock.now()
    const warnings: string[] = []
    peer.log.on('warning', (error) => warnings.push(`${error.code} ${error.details.device}`))
    const future = now + 5 * 365 * 86_400_000
    const device = sha256Now(toUtf8('fast clock'))
    const first = await forge({ device, body: { time: now + 60_000 } })
    const second = await forge({ seq: 2, prev: first.id, body: { time: future } })
    expect((await peer.log.receive([first.bytes])).applied).toHaveLength(1)
    expect(warnings).toEqual([])
    expect((await peer.log.receive([second.bytes])).applied).toHaveLength(1)
    expect(warnings).toEqual([`CLOCK_AHEAD ${toHex(device)}`])
    const commit = await peer.log.get(second.id)
    expect([commit.claimedTime, commit.time]).toEqual([future, now + 60_000])
    const own = await peer.say('after it')
    expect(own.claimedTime).toBe(now)
    expect(own.time).toBe(now + 60_000)
  })

  test('rubbish of any length is refused without harm', async () => {
    const peer = await openPeer('victim')
    const { bytes } = await forge({})
    const rubbish = [
      new Uint8Array(),
      Uint8Array.of(0x84),
      bytes.subarray(0, bytes.length - 1),
      new Uint8Array(100_000).fill(0x81),
      new Uint8Array(256 * 1024 + 1),
      fromHex('9fffffff'),
    ]
    const result = await peer.log.receive(rubbish)
    expect(result.rejected.map(({ blame }) => blame)).toEqual(rubbish.map(() => 'forwarder'))
    expect(result.rejected[4]?.error.code).toBe('COMMIT_TOO_LARGE')
    expect((await peer.log.receive([bytes])).applied).toHaveLength(1)
  })

  test('a version that is not known is said to be so', async () => {
    await expectRefused(
      { encodeHeader: (fields) => encode([2, ...fields.slice(1)]) },
      'forwarder',
      'PROTOCOL_UNSUPPORTED',
    )
    await expectRefused({ body: { v: 2 } }, 'author', 'PROTOCOL_UNSUPPORTED')
  })

  test('an author who knew of the fork of a feed may not go on with it', async () => {
    const first = await forge({})
    const left = await forge({ seq: 2, prev: first.id, text: 'left' })
    const right = await forge({ seq: 2, prev: first.id, text: 'right' })
    const knowing = { seq: 3, prev: left.id, body: { deps: [fromHex(right.id)], stamp: 3 } }
    const unknowing = { seq: 3, prev: left.id, body: { stamp: 3 } }
    const peer = await openPeer('victim')
    const result = await peer.log.receive([
      first.bytes,
      left.bytes,
      right.bytes,
      (await forge(knowing)).bytes,
    ])
    expect(result.applied).toHaveLength(3)
    expect(result.rejected).toHaveLength(1)
    expect((await peer.log.receive([(await forge(unknowing)).bytes])).applied).toHaveLength(1)
  })
})
