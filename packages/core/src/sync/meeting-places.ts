import { withDeadline } from '../async/deadline.js'
import type { Clock } from '../ports/clock.js'
import type { Network, PeerId } from '../ports/network.js'
import { rendezvousKeys } from './rendezvous.js'

const ROUND_MS = 300_000
const STEP_MS = 60_000

export interface MeetingPlacesInit {
  network: Pick<Network, 'announce' | 'find'>
  clock: Clock
  /** Discovery keys of the workspaces. */
  discoveryKeys(): Uint8Array[]
  /** Whether there is anybody left to look for. */
  isSearching(): boolean
  found(peer: PeerId, addresses: readonly string[]): void
}

/** Announces this device in the DHT under the keys of its workspaces, and looks there for those that are not connected, every five minutes. */
export class MeetingPlaces {
  readonly #init: MeetingPlacesInit
  #nudge = new AbortController()

  constructor(init: MeetingPlacesInit) {
    this.#init = init
  }

  /** The next round begins now. */
  nudge(): void {
    this.#nudge.abort()
  }

  /** Runs until aborted. */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    const { clock, discoveryKeys } = this.#init
    while (!signal.aborted) {
      this.#nudge = new AbortController()
      const keys = discoveryKeys().flatMap((key) => rendezvousKeys(key, clock.now()))
      for (const key of keys) await this.#meet(key, signal)
      await clock.sleep(ROUND_MS, { signal: AbortSignal.any([this.#nudge.signal, signal]) }).catch(() => {})
    }
  }

  async #meet(key: Uint8Array, signal: AbortSignal): Promise<void> {
    const { network, clock, isSearching, found } = this.#init
    const meet = async (within: AbortSignal) => {
      await network.announce(key, { signal: within })
      if (!isSearching()) return
      for await (const { peer, addresses } of network.find(key, { signal: within })) found(peer, addresses)
    }
    // the DHT may be out of reach: the next round tries again
    await withDeadline(clock, STEP_MS, 'rendezvous', meet, { signal }).catch(() => {})
  }
}
