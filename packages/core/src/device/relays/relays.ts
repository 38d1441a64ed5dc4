import type { RelayListing } from '../../api.js'
import { Wakeup } from '../../async/wakeup.js'
import type { PeerfoldError } from '../../errors.js'
import type { Exchange } from '../../exchange/types.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { Clock } from '../../ports/clock.js'
import type { Crypto } from '../../ports/crypto.js'
import type { WorkspaceHandle } from '../../ports/ids.js'
import type { Network, PeerId } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import type { DeviceJournal } from '../journal.js'
import type { WorkspaceRuntime } from '../workspace-runtime.js'
import { MailboxMemory } from './mailbox-memory.js'
import type { RelayBook } from './relay-book.js'
import { RelayLink, type RelayLinkInit } from './relay-link.js'

export interface RelaysInit {
  book: RelayBook
  network: Network
  exchange: Exchange
  journal: DeviceJournal
  crypto: Crypto
  clock: Clock
  random: Random
  workspaces(): WorkspaceRuntime[]
  bundle: RelayLinkInit['bundle']
  onStatus(): void
  onSession: RelayLinkInit['onSession']
  onWanted: RelayLinkInit['onWanted']
  poll: RelayLinkInit['poll']
  fetchBlocks: RelayLinkInit['fetchBlocks']
}

/** The relays of this device at work: each holds what is here for devices that are away. */
export class Relays {
  readonly #init: RelaysInit
  readonly #links = new Map<PeerId, RelayLink>()
  readonly #changed = new Wakeup()
  #stops: Array<() => void> = []

  constructor(init: RelaysInit) {
    this.#init = init
  }

  start(): void {
    const { book, network } = this.#init
    this.#stops = [
      book.onChange(() => this.#update()),
      network.on('connect', ({ peer }) => this.#links.get(peer)?.connect()),
    ]
    this.#update()
  }

  list(): RelayListing[] {
    return this.#init.book.list().map(({ peer, addresses }) => {
      const link = this.#links.get(peer)
      return {
        peer,
        addresses,
        connected: link?.connected === true,
        ...(link?.usage() ?? { bytes: 0, quota: 0 }),
        ...errorOf(link?.failure),
      }
    })
  }

  /** Relays that are known to hold all that is in the workspace now. */
  holders(handle: WorkspaceHandle): PeerId[] {
    return [...this.#links].flatMap(([peer, link]) => (link.holdsAll(handle) ? [peer] : []))
  }

  /** Whether a relay is asked over HTTP for now. */
  isResting(peer: PeerId): boolean {
    return this.#links.get(peer)?.resting === true
  }

  /** Workspaces came, went, or changed. */
  wake(): void {
    for (const link of this.#links.values()) link.wake()
  }

  /**
   * Waits until every relay that is connected, and takes this device's changes, holds all that is here, and all that lies there has come.
   * @returns those with which it is so
   */
  async settled(handles: readonly WorkspaceHandle[], options?: AbortOptions): Promise<PeerId[]> {
    const pending = () =>
      [...this.#links.values()].some(
        (link) =>
          link.connected && link.failure === undefined && !handles.every((handle) => link.isEven(handle)),
      )
    while (pending()) await this.#changed.wait(options)
    return [...this.#links].flatMap(([peer, link]) =>
      link.connected && handles.every((handle) => link.isEven(handle)) ? [peer] : [],
    )
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop()
    await Promise.all([...this.#links.values()].map((link) => link.close()))
    this.#changed.wake()
  }

  #update(): void {
    const { book, network, journal } = this.#init
    const known = new Set(book.list().map(({ peer }) => peer))
    for (const [peer, link] of this.#links) {
      if (known.has(peer)) continue
      this.#links.delete(peer)
      link.close().then(
        () => new MailboxMemory(journal, peer).clear(),
        () => {},
      )
    }
    for (const peer of known) if (!this.#links.has(peer)) this.#links.set(peer, this.#create(peer))
    for (const { peer } of network.connections()) this.#links.get(peer)?.connect()
    this.#tell()
  }

  #create(relay: PeerId): RelayLink {
    const { book, journal, onStatus: _, ...init } = this.#init
    const memory = new MailboxMemory(journal, relay)
    const lie = () => book.lie(relay)
    const onLie = (error: PeerfoldError) => {
      book.accuse(relay, error).catch(() => {})
    }
    return new RelayLink({ ...init, relay, memory, lie, onLie, onChange: () => this.#tell() })
  }

  #tell(): void {
    this.#changed.wake()
    this.#init.onStatus()
  }
}

/** As a listing names it. */
export function errorOf(error: PeerfoldError | undefined): Pick<RelayListing, 'error'> {
  return error === undefined ? {} : { error: { code: error.code, message: error.message, hint: error.hint } }
}
