import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/encoding/bytes.js'
import { type Body, decodeBody, encodeBody } from '../../src/log/body.js'
import { decodeEnvelope, encodeHeader, verifyEnvelope } from '../../src/log/envelope.js'
import { branchIdOf, feedIdOf, writerIdOf } from '../../src/log/feed-names.js'
import { pad, paddedLength } from '../../src/log/padding.js'
import { encodeRecord } from '../../src/log/record.js'
import { commitKey, openCommit, sealCommit } from '../../src/log/seal.js'
import { crypto } from './fixtures.js'

const vectors = JSON.parse(
  await readFile(new URL('../../../../docs/protocol/vectors/log.json', import.meta.url), 'utf8'),
)

const random = { bytes: (length: number) => new Uint8Array(length).fill(0x5a) }

function bodyOf(input: (typeof vectors.commits)[number]['input']): Body {
  return {
    feed: feedIdOf(crypto.publicKey(fromHex(input.feedSeed))),
    seq: input.seq,
    tenure: undefined,
    aclHeads: [],
    identityHeads: [],
    deps: input.deps,
    stamp: input.stamp,
    time: input.time,
    content: {
      updates: input.updates.map(([shard, update]: [number, string]) => ({ shard, update: fromHex(update) })),
    },
    operations: input.operations,
    proof: input.proof === null ? undefined : fromHex(input.proof),
    closes: undefined,
  }
}

describe('PROTOCOL.md §4 test vectors', () => {
  for (const { name, input, output } of vectors.commits) {
    test(`${name}: sealing gives these bytes`, async () => {
      const feedSeed = fromHex(input.feedSeed)
      const feedKey = crypto.publicKey(feedSeed)
      const epoch = { id: input.epoch, read: fromHex(input.read), push: new Uint8Array(32) }
      const body = bodyOf(input)
      const init = { handle: input.handle, prev: input.prev ?? undefined, epoch, feedSeed, feedKey, body }
      const sealed = await sealCommit(crypto, random, init)
      expect({
        feedKey: toHex(feedKey),
        feed: sealed.feed,
        body: toHex(encodeBody(body)),
        padded: pad(encodeBody(body)).length,
        salt: toHex(sealed.salt),
        key: toHex(commitKey(epoch, sealed.salt)),
        header: toHex(sealed.header),
        ciphertext: toHex(sealed.ciphertext),
        id: sealed.id,
        signature: toHex(sealed.signature),
        envelope: toHex(sealed.bytes),
      }).toEqual(output)
    })

    test(`${name}: opening gives the input back`, async () => {
      const sealed = await verifyEnvelope(crypto, input.handle, fromHex(output.envelope))
      expect(sealed.id).toBe(output.id)
      const epoch = { id: input.epoch, read: fromHex(input.read), push: new Uint8Array(32) }
      const body = await openCommit(crypto, sealed, epoch)
      expect(body).toEqual(bodyOf(input))
      expect(toHex(encodeBody(decodeBody(fromHex(output.body))))).toBe(output.body)
      expect(toHex(encodeHeader(decodeEnvelope(fromHex(output.envelope))))).toBe(output.header)
    })
  }

  test('names', () => {
    const { feed, first, workspace, branch, writer, branchWriter } = vectors.names
    expect(branchIdOf(feed, first)).toBe(branch)
    expect(writerIdOf(workspace, feed)).toBe(writer)
    expect(writerIdOf(workspace, branch)).toBe(branchWriter)
  })

  test('padding', () => {
    for (const [length, padded] of vectors.padding) expect(paddedLength(length)).toBe(padded)
  })

  test('records of the log', () => {
    const { received, envelope, record } = vectors.record
    expect(toHex(encodeRecord(received, fromHex(envelope)))).toBe(record)
  })
})
