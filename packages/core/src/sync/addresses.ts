import type { AbortOptions } from '../ports/abort.js'
import type { PeerId } from '../ports/network.js'
import { MAX_ADDRESS_BYTES, MAX_ADDRESSES } from './limits.js'

/** Where addresses outlive a restart. A narrow port: any key-value store or journal can serve. */
export interface AddressStore {
  get(peer: PeerId, options?: AbortOptions): Promise<string[] | undefined>
  put(peer: PeerId, addresses: string[], options?: AbortOptions): Promise<void>
}

/** Ways to one device, the most promising first: those that worked last, then those heard of last. Bounded. */
export class Addresses {
  #list: string[]
  readonly #worked = new Set<string>()

  constructor(stored: readonly string[] = []) {
    this.#list = stored.filter(plausible).slice(0, MAX_ADDRESSES)
  }

  all(): string[] {
    return [...this.#list]
  }

  /** Those that led to the device in this run. */
  proven(): string[] {
    return this.#list.filter((address) => this.#worked.has(address))
  }

  /** Resolves true when one of them is new. */
  heard(addresses: readonly string[]): boolean {
    const fresh = addresses.filter((address) => plausible(address) && !this.#list.includes(address))
    this.#keep([...this.#list.slice(0, 1), ...fresh, ...this.#list.slice(1)])
    return fresh.length > 0
  }

  /** Resolves true when that is news. */
  worked(address: string): boolean {
    if (!plausible(address) || (this.#list[0] === address && this.#worked.has(address))) return false
    this.#worked.add(address)
    this.#keep([address, ...this.#list.filter((other) => other !== address)])
    return true
  }

  #keep(list: string[]): void {
    this.#list = list.slice(0, MAX_ADDRESSES)
    for (const address of this.#worked) if (!this.#list.includes(address)) this.#worked.delete(address)
  }
}

function plausible(address: string): boolean {
  return address.startsWith('/') && address.length <= MAX_ADDRESS_BYTES
}
