import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { contradict, encodeCbor, encodeRequest, type RelayRequest } from '@peerfold/core/relay'
import * as lengthPrefixed from 'it-length-prefixed'
import { describe, expect, it } from 'vitest'
import { randomBlock, TestWorkspace } from './commits.js'
import type { TestDevice } from './device.js'
import { relayFixture, type TestRelay } from './fixture.js'

const fixture = relayFixture()

const frame = (bytes: Uint8Array) => lengthPrefixed.encode.single(bytes).subarray()
const request = (message: RelayRequest) => frame(encodeRequest(message))

/** Sends bytes as they are into the session. */
async function inject(device: TestDevice, bytes: Uint8Array): Promise<void> {
  await device.stream.send(bytes).catch(() => {})
}

async function served(at: TestRelay): Promise<void> {
  const { device, handle, feed } = await fixture.mailbox(at)
  expect((await device.push(handle, [await feed.next()])).next).toBe(2)
}

describe('a session (§10.1)', () => {
  it('begins with a welcome whose nonce is new each time; a newer stream replaces the older', async () => {
    const at = await fixture.start()
    const device = await fixture.device(at)
    const first = device.welcome!
    const older = device.stream
    await device.openSession()
    expect(device.welcome!.versions).toEqual([1])
    expect(device.welcome!.nonce).not.toEqual(first.nonce)
    const ended = (async () => {
      for await (const _ of older.source) {
      }
    })().catch(() => {})
    await ended
    expect(await device.ask({ type: 'ping' })).toMatchObject({ type: 'pong' })
    expect(at.service.gauges().sessions).toBe(1)
  })

  it('works on sixteen requests at a time and answers all', async () => {
    const at = await fixture.start()
    const { device } = await fixture.mailbox(at)
    const answers = await Promise.all(Array.from({ length: 200 }, () => device.ask({ type: 'ping' })))
    expect(answers.every(({ type }) => type === 'pong')).toBe(true)
  })

  it('says goodbye when the relay closes, with a time to come back', async () => {
    const at = await fixture.start()
    const { device } = await fixture.mailbox(at)
    await Promise.all([at.relay.close(), at.relay.close()])
    await device.until(() => device.ended)
    expect(device.bye).toMatchObject({ code: 'CLOSED', retryAfter: expect.any(Number) })
  })
})

describe('the network of a relay', () => {
  it('serves the protocols of a relay, and no other', async () => {
    const at = await fixture.start()
    const { device } = await fixture.mailbox(at)
    const open = async (protocol: string) => {
      const stream = await device.network.open(at.relay.peer, protocol)
      stream.abort(new Error('that was all'))
    }
    await open('/libp2p/circuit/relay/0.2.0/hop')
    await open('/peerfold/kad/1')
    await open('/peerfold/blocks/1')
    await expect(open('/peerfold/sync/1')).rejects.toMatchObject({ code: 'PROTOCOL_UNSUPPORTED' })
  })
})

describe('breaches (§10.2)', () => {
  const n = 7
  const handle = 'ab'.repeat(32)
  const cases: Array<[name: string, wrong: Uint8Array, twin: Uint8Array]> = [
    ['no CBOR', frame(new Uint8Array([0xff, 1, 2])), request({ type: 'ping', n })],
    ['an empty frame', new Uint8Array([0]), request({ type: 'ping', n })],
    ['no message of ours', frame(encodeCbor(['hello', { n }])), request({ type: 'ping', n })],
    ['a field more', frame(encodeCbor(['ping', { n, more: 1 }])), request({ type: 'ping', n })],
    [
      'a field less',
      frame(encodeCbor(['read', { n, from: 1 }])),
      request({ type: 'read', n, handle, from: 1 }),
    ],
    [
      'a place that is none',
      frame(encodeCbor(['read', { n, handle: new Uint8Array(32), from: 0 }])),
      request({ type: 'read', n, handle, from: 1 }),
    ],
    [
      'an offer of too many blocks',
      frame(
        encodeCbor([
          'offer',
          { n, handle: new Uint8Array(32), digests: Array(1025).fill(new Uint8Array(32)) },
        ]),
      ),
      request({ type: 'offer', n, handle, digests: Array(1024).fill(new Uint8Array(32)) }),
    ],
    [
      'a frame that is too long before anything is open',
      frame(new Uint8Array(90_000)),
      request({ type: 'offer', n, handle, digests: Array(1024).fill(new Uint8Array(32)) }),
    ],
    ['a length that never ends', new Uint8Array(64).fill(0xff), request({ type: 'ping', n })],
  ]

  it.each(cases)('%s ends the session and the connection; its twin is answered', async (_, wrong, twin) => {
    const at = await fixture.start()
    const [honest, guilty] = [await fixture.device(at), await fixture.device(at)]
    await inject(honest, twin)
    await honest.answer(n).catch((error) => expect(error.code).toBe('WORKSPACE_NOT_FOUND'))
    expect(honest.ended).toBe(false)
    await inject(guilty, wrong)
    await guilty.until(() => guilty.ended && guilty.network.connections().length === 0)
    expect(at.service.counters().breaches).toBe(1)
    await served(at)
  })

  it('so do a number that is in use, and commits beyond the limit of a push', async () => {
    const at = await fixture.start()
    const { device, handle: mine, feed } = await fixture.mailbox(at)
    const commits = await feed.several(3, 180_000)
    expect((await device.push(mine, commits.slice(0, 2))).next).toBe(3)
    const error = await device.push(mine, commits).catch((reason) => reason)
    expect(error.code).toBe('NOT_CONNECTED')
    const other = await fixture.device(at)
    const open = {
      type: 'open',
      n,
      handle,
      epoch: handle,
      role: 'pull',
      signature: new Uint8Array(64),
    } as const
    const twice = request({ ...open, time: other.welcome!.time })
    await inject(other, Buffer.concat(Array(20).fill(twice)))
    await other.until(() => other.ended)
    expect(at.service.counters().breaches).toBe(2)
  })

  it('who goes on with it is refused for a while', async () => {
    const at = await fixture.start()
    const device = await fixture.device(at)
    for (let i = 0; i < 3; i++) {
      await inject(device, new Uint8Array([0]))
      await device.until(() => device.ended && device.network.connections().length === 0)
      await device.connect(at.relay.addresses())
    }
    await device.until(() => device.bye !== undefined)
    expect(device.bye).toMatchObject({ code: 'BUSY', retryAfter: expect.any(Number) })
    await served(at)
  })
})

describe('floods (§10.2)', () => {
  it('of requests are answered BUSY, with a time; others are served', async () => {
    const at = await fixture.start({ limits: { peerRequests: { burst: 30, rate: 5 } } })
    const flood = await fixture.device(at)
    const asked = await Promise.allSettled(Array.from({ length: 60 }, () => flood.ask({ type: 'ping' })))
    const refused = asked.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    expect(refused.length).toBeGreaterThan(0)
    for (const { reason } of refused) {
      expect(reason).toMatchObject({ code: 'BUSY', details: { retryAfter: expect.any(Number) } })
    }
    await served(at)
  })

  it('of bytes are answered BUSY; nothing of what was acknowledged is missing', async () => {
    const at = await fixture.start({ limits: { peerBytes: { burst: 600_000, rate: 1_000 } } })
    const { device, handle, feed } = await fixture.mailbox(at)
    const commits = await feed.several(8, 150_000)
    const stored: string[] = []
    for (const commit of commits) {
      const said = await device.push(handle, [commit]).catch((error) => {
        expect(error).toMatchObject({ code: 'BUSY' })
        return undefined
      })
      if (said === undefined) break
      stored.push(commit.id)
    }
    expect(stored.length).toBeLessThan(8)
    expect(await device.readAll(handle)).toEqual(stored)
    await served(at)
  })

  it('of sessions are told BUSY', async () => {
    const at = await fixture.start({ limits: { maxSessions: 2 } })
    const devices = [await fixture.device(at), await fixture.device(at)]
    const third = await fixture.device(at)
    expect(third.bye).toMatchObject({ code: 'BUSY', retryAfter: expect.any(Number) })
    expect(await devices[0]!.ask({ type: 'ping' })).toMatchObject({ type: 'pong' })
    await devices[1]!.vanish()
    await third.openSession()
    expect(await third.ask({ type: 'ping' })).toMatchObject({ type: 'pong' })
  })

  it('of mailboxes are refused', async () => {
    const at = await fixture.start({ limits: { maxMailboxes: 2 } })
    const device = await fixture.device(at)
    const mine = new TestWorkspace()
    await device.register(mine)
    await device.register(new TestWorkspace())
    await expect(device.register(new TestWorkspace())).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    await device.register(mine)
    await device.open(mine)
  })

  it('a device that does not read takes no memory for what it does not take', async () => {
    const at = await fixture.start()
    const { device, handle, feed, workspace } = await fixture.mailbox(at)
    for (const commit of await feed.several(4, 250_000)) await device.push(handle, [commit])
    const lazy = await fixture.device(at)
    await lazy.open(workspace)
    for (let i = 0; i < 300; i++) lazy.post({ type: 'read', handle, from: 1 })
    await served(at)
    expect(at.service.gauges().queued).toBe(0)
  })
})

describe('statements (§10.5)', () => {
  it('two that were made of the same place of one life never contradict; a forged one does not verify', async () => {
    const at = await fixture.start()
    const { device, handle, feed } = await fixture.mailbox(at)
    const said = []
    for (const commit of await feed.several(5)) said.push(await device.push(handle, [commit]))
    for (const place of [1, 3, 5, 6]) {
      said.push(await device.verify(handle, (await device.read(handle, place)).signed))
    }
    for (const one of said) for (const other of said) expect(contradict(one, other)).toBe(false)
    const { signed } = await device.read(handle)
    const forged = { ...signed, statement: signed.statement.slice() }
    forged.statement[forged.statement.length - 5]! ^= 1
    await expect(device.verify(handle, forged)).rejects.toMatchObject({ code: 'MESSAGE_INVALID' })
    await expect(device.verify('00'.repeat(32), signed)).rejects.toMatchObject({ code: 'MESSAGE_INVALID' })
  })
})

describe('what the relay keeps', () => {
  it('holds nothing that it was not given, and logs none of it', async () => {
    const at = await fixture.start()
    const { device, handle, feed, workspace } = await fixture.mailbox(at)
    await device.push(handle, await feed.several(3))
    await (await device.offer(handle, [randomBlock(500), randomBlock(50_000)])).stored
    await device.ask({ type: 'token' })
    await at.relay.close()
    const secrets = [device.seed, ...Object.values(workspace.current.seeds)].map((seed) => Buffer.from(seed))
    const bytes = await everything(at.directory)
    bytes.push(Buffer.from(JSON.stringify(at.logged)))
    for (const secret of secrets) {
      const forms = [secret, Buffer.from(secret.toString('hex')), Buffer.from(secret.toString('base64'))]
      for (const form of forms) expect(bytes.some((content) => content.includes(form))).toBe(false)
    }
    expect(bytes.some((content) => content.includes(Buffer.from(device.peer)))).toBe(true)
  })
})

async function everything(directory: string): Promise<Buffer[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return Promise.all(
    files.filter(({ name }) => name !== 'reserve').map((file) => readFile(join(file.parentPath, file.name))),
  )
}
