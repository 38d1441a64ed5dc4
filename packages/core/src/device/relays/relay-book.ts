import { Emitter } from '../../async/emitter.js'
import { decodeCbor, encodeCbor } from '../../encoding/cbor.js'
import { PeerfoldError } from '../../errors.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { PeerId } from '../../ports/network.js'
import type { DeviceJournal } from '../journal.js'

export interface KnownRelay {
  peer: PeerId
  /** Multiaddrs that end in `/p2p/<peer>`. */
  addresses: string[]
}

const RELAY = 'relay/'
const LIE = 'lie/'
const MAX_RELAYS = 8
const MAX_ADDRESSES = 8
const ADDRESS = /^(\/.{1,400})\/p2p\/([1-9A-HJ-NP-Za-km-z]{52})$/

/** The relays that this device uses, as its journal keeps them (PROTOCOL.md §8.7). */
export class RelayBook {
  readonly #journal: DeviceJournal
  readonly #events = new Emitter<{ change: () => void }>()

  constructor(journal: DeviceJournal) {
    this.#journal = journal
  }

  list(): KnownRelay[] {
    return this.#journal.keys(RELAY).map((key) => ({
      peer: key.slice(RELAY.length),
      addresses: decodeCbor(this.#journal.get(key) as Uint8Array, 'HOME_INVALID') as string[],
    }))
  }

  onChange(listener: () => void): () => void {
    return this.#events.on('change', listener)
  }

  /** How a relay contradicted what it signed. A restart does not make it honest: that stays until a person removes the relay, or adds it anew. */
  lie(peer: PeerId): PeerfoldError | undefined {
    const told = this.#journal.get(LIE + peer)
    return told && new PeerfoldError('RELAY_LIED', new TextDecoder().decode(told))
  }

  /** The first lie is kept. */
  async accuse(peer: PeerId, { message }: PeerfoldError, options?: AbortOptions): Promise<void> {
    if (this.#journal.get(LIE + peer) !== undefined) return
    await this.#journal.set([[LIE + peer, new TextEncoder().encode(message)]], options)
    this.#events.emit('change')
  }

  /** Adds a relay, or another address of one that is known, and trusts it. Idempotent. @throws {PeerfoldError} `INVALID_ARGUMENT` */
  async add(address: string, options?: AbortOptions): Promise<KnownRelay> {
    const { peer } = parseRelay(address)
    const relays = this.list()
    const known = relays.find((relay) => relay.peer === peer)?.addresses ?? []
    if (known.includes(address) && this.lie(peer) === undefined) return { peer, addresses: known }
    if (known.length === 0 && relays.length >= MAX_RELAYS)
      throw new PeerfoldError('INVALID_ARGUMENT', `a device uses at most ${MAX_RELAYS} relays`)
    const addresses = [...new Set([address, ...known])].slice(0, MAX_ADDRESSES)
    const entries = [
      [RELAY + peer, encodeCbor(addresses)],
      [LIE + peer, undefined],
    ] as const
    await this.#journal.set(entries, options)
    this.#events.emit('change')
    return { peer, addresses }
  }

  /** By address, PeerId, or the unique beginning of one. @throws {PeerfoldError} `RELAY_NOT_FOUND` */
  find(wanted: string): KnownRelay {
    const matches = ({ peer, addresses }: KnownRelay) =>
      addresses.includes(wanted) || (wanted.length >= 8 && peer.startsWith(wanted))
    const found = this.list().filter(matches)
    const [only] = found
    if (only === undefined || found.length > 1)
      throw new PeerfoldError('RELAY_NOT_FOUND', `${found.length} relays match ${wanted}`)
    return only
  }

  async remove(peer: PeerId, options?: AbortOptions): Promise<void> {
    const entries = [RELAY, LIE].map((kind) => [kind + peer, undefined] as const)
    await this.#journal.set(entries, options)
    this.#events.emit('change')
  }
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` */
export function parseRelay(address: string): KnownRelay {
  const peer = ADDRESS.exec(address)?.[2]
  if (peer !== undefined) return { peer, addresses: [address] }
  throw new PeerfoldError('INVALID_ARGUMENT', `not the address of a relay: ${address.slice(0, 100)}`, {
    hint: 'A relay prints its addresses when it starts: /ip4/…/tcp/…/p2p/12D3…',
  })
}
