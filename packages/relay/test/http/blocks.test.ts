import { randomBytes } from 'node:crypto'
import { PeerfoldError } from '@peerfold/core'
import { MAX_HTTP_BLOCKS } from '@peerfold/core/relay'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PEER } from './fake-service.js'
import { type HttpFixture, startFixture } from './harness.js'

const SIZE = 300_000
const OTHER_PEER = '12D3KooWJ7ak4kRdKVqQ5PWGbWVHQmbYKGJgTTkRrVDbSZvfJN5c'

let http: HttpFixture
let handle: string
let token: string

beforeEach(async () => start())
afterEach(() => http.close())

async function start(config: Parameters<typeof startFixture>[0] = {}): Promise<void> {
  http = await startFixture(config)
  handle = http.service.addMailbox()
  token = http.service.token([handle])
}

const post = (body: unknown, init: RequestInit & { token?: string; to?: string } = {}) =>
  http.fetch(`/v1/blocks/${init.to ?? handle}`, {
    method: 'POST',
    token,
    body: JSON.stringify(body),
    ...init,
  })

const add = (bytes: Uint8Array) => http.service.addBlock(handle, bytes).toString()

/** Blocks that this relay has, as many as no buffer on the way takes. */
const addMany = () => Array.from({ length: 60 }, () => add(randomBytes(SIZE)))

function framesOf(body: ArrayBuffer): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let at = 0; at < body.byteLength; ) {
    const size = new DataView(body).getUint32(at)
    frames.push(new Uint8Array(body, at + 4, size))
    at += 4 + size
  }
  return frames
}

async function code(response: Response): Promise<[number, string]> {
  expect(response.headers.get('access-control-allow-origin')).toBe('*')
  return [response.status, (await response.json()).code]
}

describe('many blocks in one answer', () => {
  test('come in the order in which they were named, each behind its length; 0 is one that is not here', async () => {
    const blocks = [randomBytes(10), randomBytes(SIZE), randomBytes(1)]
    const [a, b, c] = blocks.map(add)
    const elsewhere = http.service.addBlock(http.service.addMailbox(), randomBytes(50)).toString()
    const response = await post({ cids: [b, elsewhere, c, a] })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/vnd.peerfold.blocks',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
    })
    const expected = [blocks[1], new Uint8Array(), blocks[2], blocks[0]]
    expect(framesOf(await response.arrayBuffer()).map((frame) => Buffer.from(frame))).toEqual(
      expected.map((bytes) => Buffer.from(bytes!)),
    )
  })

  test('none are asked for to see whether it would be answered', async () => {
    const response = await post({ cids: [] })
    expect([response.status, await response.text()]).toEqual([200, ''])
    expect((await post({ cids: [] }, { token: 'x' })).status).toBe(401)
  })

  test('a damaged one is not here', async () => {
    const cids = [add(randomBytes(100)), add(randomBytes(100))]
    let reads = 0
    http.service.onRead = () => {
      if (++reads === 1) throw new PeerfoldError('BLOCK_CORRUPT', 'damaged')
    }
    const frames = framesOf(await (await post({ cids })).arrayBuffer())
    expect(frames.map(({ length }) => length)).toEqual([0, 100])
  })

  test('a disk that fails cuts the answer off, so that nobody takes it for whole', async () => {
    const cids = [add(randomBytes(100)), add(randomBytes(100))]
    let reads = 0
    http.service.onRead = () => {
      if (++reads === 2) throw new PeerfoldError('IO_FAILED', 'no')
    }
    await expect(post({ cids }).then((response) => response.arrayBuffer())).rejects.toThrow()
  })

  test('are refused without a token, for another workspace, and for what is no request', async () => {
    const cid = add(randomBytes(10))
    expect(await code(await post({ cids: [cid] }, { token: 'wrong' }))).toEqual([401, 'UNAUTHORIZED'])
    for (const to of [http.service.addMailbox(), 'ff'.repeat(32)])
      expect(await code(await post({ cids: [cid] }, { to }))).toEqual([403, 'UNAUTHORIZED'])
    const malformed = [
      {},
      { cids: cid },
      { cids: [1] },
      { cids: ['x'] },
      { cids: [cid.toUpperCase()] },
      { cids: [cid], more: 1 },
      { cids: Array(MAX_HTTP_BLOCKS + 1).fill(cid) },
    ]
    for (const body of malformed)
      expect(await code(await post(body)), JSON.stringify(body).slice(0, 50)).toEqual([
        400,
        'MESSAGE_INVALID',
      ])
    expect(await code(await post({ cids: [] }, { to: handle.toUpperCase() }))).toEqual([
      400,
      'MESSAGE_INVALID',
    ])
    expect((await post({ cids: Array(MAX_HTTP_BLOCKS).fill(cid) })).status).toBe(200)
  })

  test('may be asked for as often as a device likes, not by those without a token', async () => {
    await http.close()
    await start({ requestsPerAddress: 1 })
    const cid = add(randomBytes(10))
    const statuses = new Set<number>()
    for (let i = 0; i < 30; i++) statuses.add((await post({ cids: [cid] })).status)
    expect([...statuses]).toEqual([200])
    for (let i = 0; i < 30; i++) statuses.add((await post({ cids: [cid] }, { token: 'x' })).status)
    expect([...statuses]).toEqual([200, 401, 429])
  })

  test('are read from disk only as fast as the reader takes them', async () => {
    const cids = addMany()
    let reads = 0
    http.service.onRead = () => void reads++
    const response = await post({ cids })
    const reader = response.body!.getReader()
    await reader.read()
    const settled = async () => {
      for (let before = -1; before !== reads; ) {
        before = reads
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      return reads
    }
    expect(await settled()).toBeLessThan(50)
    await reader.cancel()
    const left = await settled()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(reads).toBe(left)
  })

  test('end for a reader that takes none of them for too long', async () => {
    await http.close()
    await start({ sendTimeout: 1_000 })
    const response = await post({ cids: addMany() })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await expect(response.arrayBuffer()).rejects.toThrow()
  })

  test('end when the keys of the workspace change', async () => {
    const cids = addMany()
    const response = await post({ cids })
    http.service.revoke(handle)
    await expect(response.arrayBuffer()).rejects.toThrow()
  })

  test('of one device are four answers at a time, and others have theirs', async () => {
    const cids = addMany()
    const first = await Promise.all(Array.from({ length: 4 }, () => post({ cids })))
    const fifth = await post({ cids })
    expect(Number(fifth.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await code(fifth)).toEqual([429, 'BUSY'])
    const another = await post({ cids }, { token: http.service.token([handle], OTHER_PEER) })
    expect(another.status).toBe(200)
    for (const response of [...first, another]) await response.body?.cancel()
    await expect.poll(async () => (await post({ cids: [] })).status).toBe(200)
  })

  test('of all devices are in memory only up to a limit', async () => {
    await http.close()
    await start({ blockBytes: 4 * 2 ** 20 })
    const cids = addMany()
    const peers = [PEER, OTHER_PEER, `${PEER}2`]
    const readers = await Promise.all(
      peers.map((peer) => post({ cids }, { token: http.service.token([handle], peer) })),
    )
    expect(readers.map(({ status }) => status)).toEqual([200, 200, 200])
    const another = await post({ cids }, { token: http.service.token([handle], `${PEER}3`) })
    expect(await code(another)).toEqual([503, 'BUSY'])
    for (const response of readers) await response.body?.cancel()
  })
})
