/**
 * Exchange of blocks, `/peerfold/blocks/1` (PROTOCOL.md §7).
 *
 * Participants: on each stream a requester, who opened it, and a server.
 * Goals: named blocks come into the store from several peers at once, within bounded memory on both sides, resuming after interruptions; nobody
 * reads what they do not share.
 * Non-goals: knowing which blocks exist or what may be deleted; pushing blocks unasked.
 *
 * | message | from | says |
 * | --- | --- | --- |
 * | WANT, CANCEL | requester | send these, do not |
 * | CREDIT | requester | that many bytes more may be sent |
 * | BLOCK | server | a block, within the credit |
 * | MISSING, HAVE | server | not here; here now |
 * | BUSY, REFUSED | server | not now; not for this peer |
 *
 * Sizes: requests ≤ 64 KiB, blocks ≤ 1088 KiB, ≤ 1024 digests in a frame, windows 2–16 MiB.
 */
import type { CID } from 'multiformats/cid'
import { blockDigest } from '../content/block-cid.js'
import { toHex } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'
import type { Clock } from '../ports/clock.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { Network, NetworkStream, PeerId } from '../ports/network.js'
import type { HttpRoute } from './http-route.js'
import { HttpStream } from './http-stream.js'
import { DEFAULT_LIMITS, type ExchangeLimits, MAX_BLOCK, PROTOCOL } from './limits.js'
import { RateLimit } from './rate-limit.js'
import { Server } from './server.js'
import { Source } from './source.js'
import type { Exchange, FetchOptions, TransferRates } from './types.js'
import { believed, type Fetch, type Want, WantBook } from './wants.js'
import { WindowBudget } from './window.js'

export interface ExchangeInit {
  network: Pick<Network, 'open' | 'handle' | 'unhandle' | 'disconnect' | 'on' | 'connection'>
  clock: Clock
  /** @default DEFAULT_LIMITS */
  limits?: Partial<ExchangeLimits>
  /** Bytes per second in each direction, over all peers. @default as fast as can be */
  rates?: TransferRates
  /** A peer broke the protocol and was disconnected. @default ignored */
  onFault?: (peer: PeerId, error: Error) => void
}

/** Wants given to one peer before the next peer has its turn. */
const TURN = 8
/** How often stalled peers, expired answers and ended pauses are looked for, milliseconds, while something is wanted. */
const TICK = 1_000
/** Every how many ticks the stores are asked whether a want came by another way. */
const RECHECK = 30
const RECHECK_BATCH = 1024
/** A peer with this many milliseconds of work before it shares it with an idle one. */
const STEAL_FROM = 1_000
/** A want changes hands at most this often, milliseconds. */
const STEAL_AGAIN = 5_000
const LONGEST_PENALTY = 60 * 60 * 1000
/** Peers whose misdeeds are remembered. */
const MOST_PENALTIES = 1024

/**
 * Block exchange `/peerfold/blocks/1` over any network: see PROTOCOL.md §7.
 *
 * @example
 * ```ts
 * const exchange = createExchange({ network, clock: systemClock })
 * exchange.attach(handle, store)
 * exchange.authorize(peer, new Set([handle]))
 * await exchange.fetch(handle, [cid], { signal: AbortSignal.timeout(60_000) })
 * ```
 */
export function createExchange(init: ExchangeInit): Exchange {
  return new BlockExchange(init)
}

class BlockExchange implements Exchange {
  readonly #init: ExchangeInit
  readonly #limits: ExchangeLimits
  readonly #book = new WantBook()
  readonly #budget: WindowBudget
  readonly #upload: RateLimit | undefined
  readonly #download: RateLimit | undefined
  readonly #stores = new Map<WorkspaceHandle, BlockStore>()
  readonly #authorized = new Map<PeerId, ReadonlySet<WorkspaceHandle>>()
  readonly #routes = new Map<PeerId, HttpRoute>()
  readonly #sources = new Map<PeerId, Source>()
  readonly #servers = new Map<PeerId, Server>()
  readonly #penalties = new Map<PeerId, { until: number; length: number }>()
  readonly #stop = new AbortController()
  readonly #forgetEvents: () => void
  #pumping = false
  #ticking = false

  constructor(init: ExchangeInit) {
    this.#init = init
    this.#limits = { ...DEFAULT_LIMITS, ...init.limits }
    if (this.#limits.startWindow <= MAX_BLOCK) {
      throw new PeerfoldError('INVALID_ARGUMENT', `startWindow must be more than ${MAX_BLOCK}`)
    }
    const { clock, rates } = init
    this.#upload = rates?.up === undefined ? undefined : new RateLimit({ clock, rate: rates.up })
    this.#download = rates?.down === undefined ? undefined : new RateLimit({ clock, rate: rates.down })
    this.#budget = new WindowBudget(this.#limits.totalWindow)
    init.network.handle(PROTOCOL, (stream) => this.#accept(stream), { bulk: true })
    const stops = [
      init.network.on('connect', ({ peer }) => this.#onConnect(peer)),
      init.network.on('reroute', ({ peer }) => this.#onConnect(peer)),
    ]
    this.#forgetEvents = () => {
      for (const stop of stops) stop()
    }
  }

  attach(handle: WorkspaceHandle, store: BlockStore): void {
    this.#checkOpen()
    this.#stores.set(handle, store)
    this.#pump()
  }

  detach(handle: WorkspaceHandle): void {
    if (!this.#stores.delete(handle)) return
    for (const fetch of this.#book.fetches()) if (fetch.handle === handle) this.#end(fetch, detached())
    for (const server of this.#servers.values()) server.refresh()
  }

  authorize(peer: PeerId, handles: ReadonlySet<WorkspaceHandle>): void {
    this.#checkOpen()
    this.#authorized.set(peer, new Set(handles))
    const source = this.#sources.get(peer)
    if (source === undefined) this.#sources.set(peer, this.#createSource(peer))
    this.#renew(peer)
  }

  revoke(peer: PeerId): void {
    this.#authorized.delete(peer)
    const reason = new PeerfoldError('UNAUTHORIZED', 'the peer shares no workspace any more')
    this.#servers.get(peer)?.close(reason)
    this.#servers.delete(peer)
    this.#sources.get(peer)?.close(reason)
    this.#sources.delete(peer)
    for (const want of this.#book.all()) {
      want.holders.delete(peer)
      want.missing.delete(peer)
    }
  }

  gained(peer: PeerId, handle: WorkspaceHandle): void {
    for (const want of this.#book.all()) if (want.handle === handle) want.missing.delete(peer)
    this.#book.touch()
    this.#pump()
  }

  route(peer: PeerId, route: HttpRoute | undefined): void {
    this.#routes.get(peer)?.close()
    if (route === undefined) this.#routes.delete(peer)
    else this.#routes.set(peer, route)
  }

  async fetch(handle: WorkspaceHandle, cids: readonly CID[], options: FetchOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    const missing = await this.#lacking(handle, cids, options)
    if (missing.length === 0) return
    this.#checkOpen()
    if (!this.#stores.has(handle)) throw detached()
    await this.#fetchAll(handle, missing, options)
  }

  holders(handle: WorkspaceHandle, cid: CID): PeerId[] {
    return [...(this.#book.get(handle, toHex(blockDigest(cid)))?.holders ?? [])]
  }

  lackers(handle: WorkspaceHandle, cid: CID): PeerId[] {
    const now = this.#init.clock.monotonic()
    const want = this.#book.get(handle, toHex(blockDigest(cid)))
    return [...(want?.missing ?? [])].flatMap(([peer, until]) => (until > now ? [peer] : []))
  }

  sources(handle: WorkspaceHandle): PeerId[] {
    return [...this.#sources.keys()].filter((peer) => this.#mayAsk(peer, handle))
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return
    const reason = new PeerfoldError('CLOSED', 'the exchange is closed')
    this.#stop.abort(reason)
    this.#forgetEvents()
    this.#init.network.unhandle(PROTOCOL)
    for (const fetch of this.#book.fetches()) this.#book.cancel(fetch, reason)
    for (const server of this.#servers.values()) server.close(reason)
    for (const source of this.#sources.values()) source.close(reason)
    for (const peer of [...this.#routes.keys()]) this.route(peer, undefined)
    this.#servers.clear()
    this.#sources.clear()
  }

  async #lacking(handle: WorkspaceHandle, cids: readonly CID[], options: AbortOptions): Promise<CID[]> {
    const store = this.#store(handle)
    const missing: CID[] = []
    for (let at = 0; at < cids.length; at += RECHECK_BATCH) {
      const batch = cids.slice(at, at + RECHECK_BATCH)
      for (const cid of batch) blockDigest(cid)
      const held = await store.has(batch, { signal: options.signal })
      missing.push(...batch.filter((_, i) => !held[i]))
    }
    return missing
  }

  #fetchAll(handle: WorkspaceHandle, cids: readonly CID[], options: FetchOptions): Promise<void> {
    const { signal, onProgress } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const fetch: Fetch = {
        handle,
        large: false,
        wants: new Set(),
        open: new Set(),
        onStored: (bytes) => onProgress?.(bytes),
        settle: (error) => {
          signal?.removeEventListener('abort', abort)
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      const abort = () => this.#end(fetch, signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      this.#book.add(fetch, cids)
      this.#pump()
      if (!this.#ticking) void this.#tick()
    })
  }

  /** Ends a fetch, and takes back what only it wanted. */
  #end(fetch: Fetch, error: Error): void {
    this.#takeBack(this.#book.cancel(fetch, error))
  }

  #takeBack(orphans: readonly Want[]): void {
    for (const source of this.#sources.values()) {
      const asked = orphans.filter((want) => want.asked === source.peer)
      if (asked.length > 0) source.cancel(asked)
    }
  }

  #createSource(peer: PeerId): Source {
    const { network, clock } = this.#init
    return new Source({
      peer,
      open: async (options) =>
        (await this.#routes.get(peer)?.open(options)) ??
        (await network.open(peer, PROTOCOL, { ...options, bulk: true })),
      clock,
      limits: this.#limits,
      budget: this.#budget,
      book: this.#book,
      download: this.#download,
      allowed: (handle) => this.#mayAsk(peer, handle),
      store: (handle) => this.#stores.get(handle),
      onStored: (handle, digests) => {
        for (const server of this.#servers.values()) server.onStored(handle, digests)
      },
      onClaimed: (want) => {
        if (want.asked !== undefined) this.#sources.get(want.asked)?.cancel([want])
      },
      onFailed: (want, error) => this.#takeBack(this.#book.fail(want, error)),
      onChange: () => this.#pump(),
      onFault: (error) => this.#punish(peer, error),
    })
  }

  #accept(stream: NetworkStream): void {
    const { peer } = stream
    if (this.#isShunned(peer)) throw new PeerfoldError('UNAUTHORIZED', 'it broke the protocol before')
    this.#servers.get(peer)?.close(new PeerfoldError('NOT_CONNECTED', 'a newer stream takes its place'))
    const server = new Server({
      stream,
      clock: this.#init.clock,
      limits: this.#limits,
      upload: this.#upload,
      store: (handle) => this.#serves(peer, handle),
      onFault: (error) => this.#punish(peer, error),
      onClose: () => {
        if (this.#servers.get(peer) === server) this.#servers.delete(peer)
      },
    })
    this.#servers.set(peer, server)
  }

  /** The store of a workspace that is shared with a peer. */
  #serves(peer: PeerId, handle: WorkspaceHandle): BlockStore | undefined {
    if (this.#authorized.get(peer)?.has(handle) !== true || this.#isShunned(peer)) return undefined
    return this.#stores.get(handle)
  }

  /** Blocks do not come through circuits, which end in the middle of them: relays keep blocks of their own. */
  #mayAsk(peer: PeerId, handle: WorkspaceHandle): boolean {
    if (this.#serves(peer, handle) === undefined) return false
    return this.#init.network.connection(peer)?.carrier !== 'circuit'
  }

  #punish(peer: PeerId, error: Error): void {
    const length = Math.min(
      LONGEST_PENALTY,
      2 * (this.#penalties.get(peer)?.length ?? this.#limits.penalty / 2),
    )
    this.#penalties.delete(peer)
    this.#penalties.set(peer, { until: this.#init.clock.monotonic() + length, length })
    for (const first of this.#penalties.keys()) {
      if (this.#penalties.size <= MOST_PENALTIES) break
      this.#penalties.delete(first)
    }
    this.#sources.get(peer)?.drop(error)
    this.#servers.get(peer)?.close(error)
    this.#init.network.disconnect(peer).catch(() => {})
    this.#init.onFault?.(peer, error)
  }

  #isShunned(peer: PeerId): boolean {
    return (this.#penalties.get(peer)?.until ?? Number.NEGATIVE_INFINITY) > this.#init.clock.monotonic()
  }

  #onConnect(peer: PeerId): void {
    if (this.#authorized.has(peer)) this.#renew(peer)
  }

  /** What the peer said before, and what failed with it, counts no more. */
  #renew(peer: PeerId): void {
    for (const want of this.#book.all()) want.missing.delete(peer)
    this.#servers.get(peer)?.refresh()
    this.#sources.get(peer)?.refresh()
    this.#pump()
  }

  /** Gives open wants to whoever can take them: in small turns, the fastest first. Once for however many changes come at once. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    queueMicrotask(() => {
      this.#pumping = false
      if (this.#stop.signal.aborted || this.#book.size === 0) return
      const sources = [...this.#sources.values()].sort((a, b) => (b.rate ?? 0) - (a.rate ?? 0))
      const turn = sources.length === 1 ? this.#limits.maxOutstanding : TURN
      for (let busy = sources; busy.length > 0; ) busy = busy.filter((source) => source.pull(turn))
      for (const source of sources) if (source.asked.size === 0 && source.ready) this.#steal(source)
    })
  }

  /** An idle peer takes over the last half of what the most burdened one has before it. */
  #steal(thief: Source): void {
    const now = this.#init.clock.monotonic()
    const victims = [...this.#sources.values()].filter((source) => source.backlog > STEAL_FROM)
    const victim = victims.sort((a, b) => b.backlog - a.backlog)[0]
    if (victim === undefined || victim === thief) return
    const loot = [...victim.asked.values()]
      .filter((want) => now - want.stolen >= STEAL_AGAIN)
      .filter((want) => thief.mayAsk(want.handle) && believed(want, thief.peer, now))
    const share = loot.slice(-Math.min(TURN, Math.ceil(loot.length / 2)))
    if (share.length === 0) return
    victim.cancel(share)
    for (const want of share) {
      want.stolen = now
      this.#book.reassign(want, thief.peer)
    }
    thief.ask(share)
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stop
    this.#ticking = true
    for (let count = 1; this.#book.size > 0 && !signal.aborted; count++) {
      await this.#init.clock.sleep(TICK, { signal }).catch(() => {})
      for (const source of this.#sources.values()) source.tick()
      for (const [peer, route] of this.#routes) this.#tryRoute(route, this.#sources.get(peer))
      this.#book.touch()
      if (count % RECHECK === 0) await this.#recheck().catch(() => {})
      this.#pump()
    }
    this.#ticking = false
  }

  /** Where blocks come by the stream because HTTP did not work: perhaps it does by now. */
  #tryRoute(route: HttpRoute, source: Source | undefined): void {
    const stream = source?.stream
    if (stream === undefined || stream instanceof HttpStream) return
    route.try()
    if (route.works) source?.reopen()
  }

  /** A block may have come by another way: written by this device itself, or put by another program. */
  async #recheck(): Promise<void> {
    const open = [...this.#book.all()].filter((want) => want.asked === undefined)
    for (const [handle, store] of this.#stores) {
      const wants = open.filter((want) => want.handle === handle)
      for (let at = 0; at < wants.length; at += RECHECK_BATCH) {
        const batch = wants.slice(at, at + RECHECK_BATCH)
        const held = await store.has(
          batch.map((want) => want.cid),
          { signal: this.#stop.signal },
        )
        for (const [i, want] of batch.entries()) if (held[i]) this.#book.stored(handle, want.digest, 0)
      }
    }
  }

  #store(handle: WorkspaceHandle): BlockStore {
    this.#checkOpen()
    const store = this.#stores.get(handle)
    if (store === undefined) throw new PeerfoldError('INVALID_ARGUMENT', 'the workspace is not attached')
    return store
  }

  #checkOpen(): void {
    if (this.#stop.signal.aborted) throw new PeerfoldError('CLOSED', 'the exchange is closed')
  }
}

function detached(): PeerfoldError {
  return new PeerfoldError('CLOSED', 'the workspace was detached from the exchange')
}
