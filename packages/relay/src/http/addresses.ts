import type { IncomingMessage } from 'node:http'
import { isIP, isIPv6 } from 'node:net'
import type { Clock } from '@peerfold/core'
import { TokenBucket } from '@peerfold/core/relay'
import { LRUCache } from 'lru-cache'

/** Addresses that are remembered: whoever comes from more than these finds a full bucket again, as a newcomer does. */
const REMEMBERED = 20_000
/** What may come at once, in seconds of the rate. */
const BURST = 10

/** How much each address asks. */
export class AddressRates {
  readonly #buckets: LRUCache<string, TokenBucket>

  constructor(init: { clock: Clock; rate: number }) {
    const { clock, rate } = init
    this.#buckets = new LRUCache<string, TokenBucket>({
      max: REMEMBERED,
      memoMethod: () => new TokenBucket({ clock, rate, burst: BURST * rate }),
    })
  }

  /** @returns undefined when it may go on, else milliseconds to wait */
  take(address: string): number | undefined {
    const bucket = this.#buckets.memo(addressKey(address))
    return bucket.tryTake() ? undefined : bucket.wait()
  }
}

/** Who has one IPv6 address has its whole /64. */
export function addressKey(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.replace(/%.*$/, '').toLowerCase().split('::')
  const left = head.split(':').filter((part) => part !== '')
  const right = tail?.split(':').filter((part) => part !== '') ?? []
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  const parts = [...left, ...Array<string>(Math.max(0, zeros)).fill('0'), ...right]
  return `${parts
    .slice(0, 4)
    .map((part) => Number.parseInt(part, 16).toString(16))
    .join(':')}::/64`
}

/** Whose request it is. Behind a proxy that is the last address of `X-Forwarded-For`: the one that the proxy itself has seen. */
export function clientAddress(request: IncomingMessage, behindProxy: boolean): string {
  const direct = request.socket.remoteAddress ?? ''
  if (!behindProxy) return direct
  const last = request.headers['x-forwarded-for']?.toString().split(',').at(-1)?.trim() ?? ''
  return isIP(last) === 0 ? direct : last
}
