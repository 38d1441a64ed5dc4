import type { Clock, PeerId } from '@peerfold/core'
import { TokenBucket } from '@peerfold/core/relay'
import { LRUCache } from 'lru-cache'
import type { RelayLimits } from './defaults.js'

/** Devices and addresses remembered; who was silent longest is forgotten first, and begins with a full bucket. */
const REMEMBERED = 20_000

export interface Sender {
  peer: PeerId
  /** Host of its connection. */
  address: string
}

/** Rates by device and by address: both must have room. */
export class Buckets {
  readonly #peers: LRUCache<string, TokenBucket>
  readonly #addresses: LRUCache<string, TokenBucket>

  constructor(clock: Clock, peer: RelayLimits['peerRequests'], address: RelayLimits['addressRequests']) {
    const buckets = (rates: { burst: number; rate: number }) =>
      new LRUCache<string, TokenBucket>({
        max: REMEMBERED,
        memoMethod: () => new TokenBucket({ clock, ...rates }),
      })
    this.#peers = buckets(peer)
    this.#addresses = buckets(address)
  }

  /** Takes what it costs and gives 0, or takes nothing and gives the milliseconds to wait. */
  take({ peer, address }: Sender, cost: number): number {
    const both = [this.#peers.memo(peer), this.#addresses.memo(address)]
    const wait = Math.max(...both.map((bucket) => bucket.wait(cost)))
    if (wait > 0) return wait
    for (const bucket of both) bucket.tryTake(cost)
    return 0
  }
}

/** The host in a multiaddr: who dials through a relay counts with that relay. */
export function hostOf(multiaddr: string): string {
  const [, , host] = multiaddr.split('/')
  return host ?? multiaddr
}
