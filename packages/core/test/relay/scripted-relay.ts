import { peerIdOfKey } from '../../src/access/peer-key.js'
import { blockCid } from '../../src/content/block-cid.js'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { fromHex, toHex } from '../../src/encoding/bytes.js'
import { type ErrorCode, isPeerfoldError, PeerfoldError } from '../../src/errors.js'
import { createExchange } from '../../src/exchange/exchange.js'
import { type Sealed, verifyEnvelopes } from '../../src/log/envelope.js'
import { systemClock } from '../../src/platform/system-clock.js'
import type { Network, NetworkStream, PeerId } from '../../src/ports/network.js'
import {
  decodeRequest,
  encodeAnswer,
  type RelayAnswer,
  type RelayRequest,
  type RelayRequestOf,
} from '../../src/relay/messages.js'
import {
  bundleId,
  checkAccess,
  checkRegistration,
  checkRoot,
  type Registration,
} from '../../src/relay/proofs.js'
import { RELAY_PROTOCOL } from '../../src/relay/protocol.js'
import {
  hashOfStored,
  nextChain,
  START_CHAIN,
  type Statement,
  signStatement,
} from '../../src/relay/statements.js'
import { Channel } from '../../src/sync/channel.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'
import { createMemoryNetwork, type MemoryHub } from '../../src/testing/memory-network.js'

export interface Mailbox {
  incarnation: string
  commits: Array<Sealed & { chain: string }>
  epochs: Registration[]
  blocks: MemoryBlockStore
}

const crypto = createWebCrypto()

/**
 * A relay in memory, as small as the protocol allows (PROTOCOL.md §10), whose parts a test can change: to be slow, to refuse, to lie. The real one has its
 * tests in `packages/relay`.
 */
export class ScriptedRelay {
  readonly network: Network
  readonly address: string
  readonly mailboxes = new Map<string, Mailbox>()
  readonly bundles = new Map<string, Map<PeerId, Uint8Array>>()
  /** Requests that came, by type. */
  readonly asked: Array<RelayRequest['type']> = []
  /** Blocks that relay sessions offered, and how many of them were lacking. */
  offered = 0
  lacking = 0
  /** Changes or replaces an answer before it goes out. */
  answer: (answer: RelayAnswer, request: RelayRequest | undefined) => RelayAnswer | Promise<RelayAnswer> = (
    answer,
  ) => answer
  /** Throws what a request is to be refused with. */
  refuse: (request: RelayRequest) => void = () => {}
  /** Of the HTTP side. */
  urls: string[] = []
  readonly #seed: Uint8Array
  readonly #exchange
  readonly #sessions = new Map<PeerId, { channel: Channel<RelayRequest, RelayAnswer>; open: Set<string> }>()
  #n = 1

  constructor(hub: MemoryHub, seed: Uint8Array) {
    this.#seed = seed
    const peer = peerIdOfKey(crypto.publicKey(seed))
    this.network = createMemoryNetwork(hub, peer)
    this.address = this.network.addresses()[0] as string
    this.#exchange = createExchange({ network: this.network, clock: systemClock })
    this.network.handle(RELAY_PROTOCOL, (stream) => this.#serve(stream))
  }

  mailbox(): Mailbox {
    const [only] = this.mailboxes.values()
    if (only === undefined) throw new Error('no mailbox')
    return only
  }

  /** What the disk held earlier, as a restored backup would. */
  forget(commits: number): void {
    this.mailbox().commits.length -= commits
  }

  /** Ends the sessions; devices come again. */
  drop(): void {
    for (const { channel } of this.#sessions.values()) channel.abort(new Error('come again'))
  }

  async close(): Promise<void> {
    await this.#exchange.close()
    await this.network.close()
  }

  async sign(handle: string, stored?: Statement['stored']) {
    const box = this.mailboxes.get(handle) as Mailbox
    const said: Statement = {
      relay: this.network.peer,
      handle,
      incarnation: box.incarnation,
      next: box.commits.length + 1,
      chain: box.commits.at(-1)?.chain ?? START_CHAIN,
      time: Date.now(),
      stored,
    }
    return await signStatement(crypto, this.#seed, said)
  }

  async #serve(stream: NetworkStream): Promise<void> {
    const channel = new Channel<RelayRequest, RelayAnswer>({
      stream,
      clock: systemClock,
      encode: encodeAnswer,
      decode: decodeRequest,
      maxFrame: 5 * 2 ** 20,
    })
    const nonce = globalThis.crypto.getRandomValues(new Uint8Array(32))
    const session = { channel, open: new Set<string>(), nonce, peer: stream.peer }
    this.#sessions.set(stream.peer, session)
    await this.#say(session, { type: 'welcome', versions: [1], nonce, time: Date.now() })
    for (let request = await channel.next(); request !== undefined; request = await channel.next()) {
      this.asked.push(request.type)
      void this.#take(session, request).catch((error: unknown) => this.#fail(session, request, error))
    }
  }

  async #say(
    session: { channel: Channel<RelayRequest, RelayAnswer> },
    answer: RelayAnswer,
    to?: RelayRequest,
  ) {
    await session.channel.send(await this.answer(answer, to))
  }

  async #fail(session: Session, request: RelayRequest, error: unknown): Promise<void> {
    const code: ErrorCode = isPeerfoldError(error) ? error.code : 'INTERNAL'
    const message = String((error as Error).message).slice(0, 300)
    await this.#say(session, { type: 'failed', n: request.n, code, message, retryAfter: undefined }).catch(
      () => {},
    )
  }

  async #take(session: Session, request: RelayRequest): Promise<void> {
    this.refuse(request)
    const { n } = request
    switch (request.type) {
      case 'open':
        return this.#open(session, request)
      case 'register':
        await this.#register(request)
        return this.#say(session, { type: 'registered', n }, request)
      case 'offer':
        return this.#offer(session, request)
      case 'push':
        return this.#push(session, request)
      case 'read':
        return this.#read(session, request)
      case 'keep': {
        const kept = this.bundles.get(request.id) ?? new Map<PeerId, Uint8Array>()
        this.bundles.set(request.id, kept.set(session.peer, request.bundle))
        return this.#say(session, { type: 'kept', n }, request)
      }
      case 'recover':
        return this.#recover(session, request)
      case 'ping':
        return this.#say(session, { type: 'pong', n }, request)
      case 'token':
        return this.#say(session, {
          type: 'ticket',
          n,
          token: 't',
          urls: this.urls,
          expires: Date.now() + 900_000,
        })
    }
  }

  async #open(session: Session, request: RelayRequestOf<'open'>): Promise<void> {
    const { n, handle, epoch, role, signature } = request
    const box = this.mailboxes.get(handle)
    const keys = box?.epochs.find((known) => known.epoch === epoch)
    if (box === undefined || keys === undefined)
      throw new PeerfoldError('WORKSPACE_NOT_FOUND', 'no such mailbox')
    const channel = { relay: this.network.peer, device: session.peer, nonce: session.nonce }
    const current = box.epochs.at(-1) === keys
    const key = role === 'push' ? keys.push : keys.pull
    if ((role === 'push' && !current) || !(await checkAccess(crypto, key, channel, request, signature)))
      throw new PeerfoldError('UNAUTHORIZED', 'not with these keys')
    if (current) this.#admit(session, handle, box)
    const heads = new Map(box.commits.map(({ feed, seq, id }) => [feed, { feed, seq, id }]))
    await this.#say(
      session,
      {
        type: 'opened',
        n,
        signed: await this.sign(handle),
        heads: [...heads.values()],
        epoch: (box.epochs.at(-1) as Registration).epoch,
        role: current ? role : 'rotation',
        bytes: costOf(box),
        quota: 2 ** 30,
      },
      request,
    )
  }

  #admit(session: Session, handle: string, box: Mailbox): void {
    session.open.add(handle)
    this.#exchange.attach(handle, box.blocks)
    this.#exchange.authorize(session.peer, session.open)
  }

  async #register(request: RelayRequestOf<'register'>): Promise<void> {
    const { handle, previous, control, signature } = request
    const box = this.mailboxes.get(handle)
    const last = box?.epochs.at(-1)
    if (last?.epoch === request.epoch) return
    const signer = previous === undefined ? control : last?.control
    if (last?.epoch !== previous || signer === undefined)
      throw new PeerfoldError('UNAUTHORIZED', 'not the next epoch')
    if (!(await checkRegistration(crypto, signer, request, signature)))
      throw new PeerfoldError('UNAUTHORIZED', 'not signed by the control key')
    if (box !== undefined) box.epochs.push(request)
    else {
      const incarnation = (this.#n++).toString(16).padStart(32, '0')
      this.mailboxes.set(handle, {
        incarnation,
        commits: [],
        epochs: [request],
        blocks: new MemoryBlockStore(),
      })
    }
  }

  async #offer(session: Session, { n, handle, digests }: RelayRequestOf<'offer'>): Promise<void> {
    const box = this.#opened(session, handle)
    const { blocks } = box
    const cids = digests.map(blockCid)
    const held = await blocks.has(cids)
    this.offered += cids.length
    this.lacking += held.filter((one) => !one).length
    const bitmap = new Uint8Array(Math.ceil(cids.length / 8))
    for (const [i, has] of held.entries())
      if (!has) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (128 >> (i & 7))
    await this.#say(session, { type: 'lacking', n, bitmap })
    await this.#exchange.fetch(handle, cids, { signal: AbortSignal.timeout(10_000) })
    const stored = { kind: 'blocks', count: digests.length, hash: hashOfStored(digests) }
    await this.#say(session, {
      type: 'stored',
      n,
      signed: await this.sign(handle, stored),
      bytes: costOf(box),
    })
  }

  async #push(session: Session, request: RelayRequestOf<'push'>): Promise<void> {
    const { n, handle, envelopes } = request
    const box = this.#opened(session, handle)
    const sealed = await verifyEnvelopes(crypto, handle, envelopes)
    const ids: Uint8Array[] = []
    for (const one of sealed) {
      if (one instanceof PeerfoldError) throw one
      ids.push(fromHex(one.id))
      if (box.commits.some(({ id }) => id === one.id)) continue
      const chain = nextChain(box.commits.at(-1)?.chain ?? START_CHAIN, one.id)
      box.commits.push({ ...one, chain })
    }
    const stored = { kind: 'commits', count: ids.length, hash: hashOfStored(ids) }
    await this.#say(
      session,
      { type: 'stored', n, signed: await this.sign(handle, stored), bytes: costOf(box) },
      request,
    )
    for (const [peer, other] of this.#sessions)
      if (peer !== session.peer && other.open.has(handle))
        other.channel.post({ type: 'changed', handle, next: box.commits.length + 1, bytes: costOf(box) })
  }

  async #read(session: Session, request: RelayRequestOf<'read'>): Promise<void> {
    const { n, handle, from } = request
    const box = this.mailboxes.get(handle)
    if (box === undefined) throw new PeerfoldError('WORKSPACE_NOT_FOUND', 'no such mailbox')
    const rotation = box.epochs.at(-1)?.rotation
    const end = session.open.has(handle)
      ? box.commits.length
      : box.commits.findIndex(({ id }) => id === rotation) + 1
    const envelopes = box.commits.slice(from - 1, Math.min(end, from + 99)).map(({ bytes }) => bytes)
    const more = from - 1 + envelopes.length < end
    await this.#say(
      session,
      { type: 'commits', n, from, envelopes, more, signed: await this.sign(handle) },
      request,
    )
  }

  async #recover(session: Session, { n, root, time, signature }: RelayRequestOf<'recover'>): Promise<void> {
    const channel = { relay: this.network.peer, device: session.peer, nonce: session.nonce }
    if (!(await checkRoot(crypto, root, channel, time, signature)))
      throw new PeerfoldError('UNAUTHORIZED', 'no')
    const kept = [...(this.bundles.get(bundleId(root))?.values() ?? [])]
    if (kept.length === 0) await this.#say(session, { type: 'bundle', n, bytes: undefined, more: 0 })
    for (const [i, bytes] of kept.entries())
      await this.#say(session, { type: 'bundle', n, bytes, more: kept.length - 1 - i })
  }

  #opened(session: Session, handle: string): Mailbox {
    const box = this.mailboxes.get(handle)
    if (box === undefined || !session.open.has(handle)) throw new PeerfoldError('UNAUTHORIZED', 'not open')
    return box
  }
}

interface Session {
  channel: Channel<RelayRequest, RelayAnswer>
  open: Set<string>
  nonce: Uint8Array
  peer: PeerId
}

/** What its commits cost: blocks are left out here. */
function costOf({ commits }: Mailbox): number {
  return commits.reduce((sum, { bytes }) => sum + bytes.length, 0)
}

/** Digests of all blocks that a relay has, in hexadecimal. */
export async function digestsAt(relay: ScriptedRelay): Promise<string[]> {
  const found: string[] = []
  for (const { blocks } of relay.mailboxes.values())
    for await (const cid of blocks.list()) found.push(toHex(cid.multihash.digest))
  return found
}
