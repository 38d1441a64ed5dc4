import { Invitations } from '../access/invitations.js'
import type { DeviceCertificate } from '../access/types.js'
import { raceSignal, withDeadline } from '../async/deadline.js'
import { Emitter } from '../async/emitter.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { createExchange } from '../exchange/exchange.js'
import type { FetchBlocks } from '../exchange/fetch-blocks.js'
import type { Exchange, TransferRates } from '../exchange/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { Carrier, Network, PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import type { AddressStore } from '../sync/addresses.js'
import { createDialer, type Dialer } from '../sync/dialer.js'
import { acceptPairings, type Pairings } from '../sync/pairing.js'
import { createSync } from '../sync/sync.js'
import type { Sync, SyncAuthority } from '../sync/types.js'
import type { IdentityStore } from './identity-store.js'
import type { DeviceJournal } from './journal.js'
import { offerRecovery } from './relays/recovery.js'
import type { RelayBook } from './relays/relay-book.js'
import { Relays } from './relays/relays.js'
import type { PollRelay } from './relays/rest.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

export interface ConnectivityInit {
  network: Network
  identity: IdentityStore
  authority: SyncAuthority
  journal: DeviceJournal
  crypto: Crypto
  clock: Clock
  random: Random
  rates?: TransferRates
  /** The relays that this device uses. */
  book: RelayBook
  /** Discovery keys of the workspaces. */
  discoveryKeys(): Uint8Array[]
  workspaces(): WorkspaceRuntime[]
  /** How relays are asked between sessions. @default they are kept in session */
  poll: PollRelay | undefined
  /** How blocks come from the HTTP side of relays. @default by streams only */
  fetchBlocks: FetchBlocks | undefined
  /** What this device keeps may be gone at any time. */
  lossy: boolean
  onStatus(): void
}

const MEET_MS = 10_000

interface ConnectivityEvents {
  paired: (certificate: DeviceCertificate, ticket: string) => void
}

/** Everything of a device that talks to others. */
export class Connectivity {
  readonly network: Network
  readonly sync: Sync
  readonly exchange: Exchange
  readonly dialer: Dialer
  readonly invitations: Invitations
  readonly relays: Relays
  readonly #init: ConnectivityInit
  readonly #events = new Emitter<ConnectivityEvents>()
  #pairings: Pairings | undefined
  #stops: Array<() => void> = []
  /** Peers that a ticket named: devices of this user, says the person, whose certificates are not here yet. */
  readonly #introduced = new Set<PeerId>()
  #started = false

  constructor(init: ConnectivityInit) {
    const { network, identity, authority, journal, crypto, clock, random, book } = init
    this.#init = init
    this.network = network
    this.invitations = new Invitations({ clock, random })
    this.exchange = createExchange({ network, clock, rates: init.rates })
    this.dialer = createDialer({
      network,
      clock,
      random,
      store: createAddressStore(journal, book),
      devices: () => [...identity.others(), ...relayTargets(book)],
      discoveryKeys: init.discoveryKeys,
    })
    this.sync = createSync({
      network,
      authority,
      clock,
      random,
      wanted: (peer) => identity.byPeer(peer)?.state === 'active' || this.#introduced.has(peer),
      onAuthorized: (peer, handles) => {
        if (handles.size === 0) this.exchange.revoke(peer)
        else this.exchange.authorize(peer, handles)
      },
      addresses: this.dialer,
      lossy: init.lossy,
    })
    this.relays = new Relays({
      book,
      network,
      exchange: this.exchange,
      journal,
      crypto,
      clock,
      random,
      workspaces: init.workspaces,
      bundle: () => offerRecovery({ ...init, workspaces: init.workspaces(), relays: book.list() }),
      onStatus: init.onStatus,
      onSession: () => this.dialer.changed(),
      onWanted: () => this.dialer.hurry(),
      poll: init.poll,
      fetchBlocks: init.fetchBlocks,
    })
  }

  /** How a peer is reached now. */
  carrier(peer: PeerId): Carrier | undefined {
    if (this.relays.isResting(peer)) return 'http'
    return this.network.connections().find((connection) => connection.peer === peer)?.carrier
  }

  onPaired(listener: ConnectivityEvents['paired']): () => void {
    return this.#events.on('paired', listener)
  }

  /** Answers and looks for the user's devices; needs an identity. Idempotent. */
  async start(): Promise<void> {
    if (this.#started) return
    this.#started = true
    const { network, clock, crypto, identity, authority } = this.#init
    this.#pairings = acceptPairings({
      network,
      clock,
      crypto,
      invitations: this.invitations,
      certify: async ({ certificate, bytes }, options) => {
        const known = identity.standings.get(certificate.device)?.state === 'active'
        const entries = known ? identity.entries() : await identity.certify(bytes, options)
        return { entries, grants: await authority.grants(certificate.device) }
      },
      onPaired: (certificate, ticket) => this.#events.emit('paired', certificate, ticket),
    })
    this.#useRelays()
    this.#stops = [
      network.on('reroute', () => this.#init.onStatus()),
      network.on('addresses', () => this.#init.onStatus()),
      identity.onChange(() => this.dialer.changed()),
      authority.onChange(() => {
        this.dialer.changed()
        this.relays.wake()
      }),
      this.#init.book.onChange(() => {
        this.#useRelays()
        this.dialer.changed()
        // Another address of a relay that is known already.
        for (const { peer, addresses } of this.#init.book.list()) this.dialer.learn(peer, addresses)
      }),
      // Its word that it stored what pairing gave it may be lost; that it is in session shows as much.
      this.sync.on('open', ({ device }) => this.#pairings?.met(device)),
    ]
    await this.sync.start()
    this.relays.start()
    await this.dialer.start()
  }

  /**
   * Meets a device of the same user that this one knows nothing of, as after recovery. Both show their certificates; the other's grants come with
   * the session.
   *
   * @throws {PeerfoldError} `DIAL_FAILED`, `UNAUTHORIZED` and the like when the two are not of one user, `TIMEOUT`
   */
  async introduce(peer: PeerId, addresses: readonly string[], options?: AbortOptions): Promise<void> {
    if (this.sync.peers().some((met) => met.peer === peer)) return
    this.#introduced.add(peer)
    let stops: Array<() => void> = []
    const met = new Promise<void>((resolve, reject) => {
      stops = [
        this.sync.on('open', (opened) => opened.peer === peer && resolve()),
        this.sync.on('refused', (refused, reason) => refused === peer && reject(reason)),
      ]
    })
    met.catch(() => {})
    try {
      await this.network.dial({ peer, addresses }, options)
      const wait = (signal: AbortSignal) => raceSignal(met, signal)
      await withDeadline(this.#init.clock, MEET_MS, 'meeting the other device', wait, options)
      this.dialer.learn(peer, addresses)
    } finally {
      for (const stop of stops) stop()
      this.#introduced.delete(peer)
    }
  }

  #useRelays(): void {
    this.network.useRelays(this.#init.book.list().map(({ peer }) => peer))
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop()
    await this.#pairings?.close()
    await this.dialer.close()
    await this.relays.close()
    await this.sync.close()
    await this.exchange.close()
    await this.network.close()
  }
}

const ADDRESSES = 'addresses/'

function createAddressStore(journal: DeviceJournal, book: RelayBook): AddressStore {
  return {
    get: async (peer) => {
      const bytes = journal.get(ADDRESSES + peer)
      const worked = bytes === undefined ? [] : (decodeCbor(bytes, 'HOME_INVALID') as string[])
      const given = book.list().find((relay) => relay.peer === peer)?.addresses ?? []
      const all = [...new Set([...worked, ...given])]
      return all.length === 0 ? undefined : all
    },
    put: (peer, addresses, options?: AbortOptions) =>
      journal.set([[ADDRESSES + peer, encodeCbor(addresses)]], options),
  }
}

/** Relays are kept connected with like devices. */
function relayTargets(book: RelayBook): Array<{ peer: PeerId; name: string }> {
  return book.list().map(({ peer, addresses }) => ({ peer, name: `relay ${addresses[0] ?? peer}` }))
}
