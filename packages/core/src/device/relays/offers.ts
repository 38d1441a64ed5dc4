import { toHex } from '../../encoding/bytes.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { WorkspaceHandle } from '../../ports/ids.js'
import { MAX_OFFER_BLOCKS } from '../../relay/limits.js'
import type { RelaySession } from '../../relay/session.js'

/** Gathers digests and offers them to a relay in full messages, each block once, a bounded number remembered. */
export class Offers {
  readonly #session: RelaySession
  readonly #handle: WorkspaceHandle
  #waiting: Uint8Array[] = []
  readonly #known = new Set<string>()

  constructor(session: RelaySession, handle: WorkspaceHandle) {
    this.#session = session
    this.#handle = handle
  }

  async add(digest: Uint8Array, options?: AbortOptions): Promise<void> {
    const name = toHex(digest)
    if (this.#known.has(name)) return
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.add(name)
    this.#waiting.push(digest)
    if (this.#waiting.length >= MAX_OFFER_BLOCKS) await this.flush(options)
  }

  /** Everything added before is durable at the relay when it resolves. */
  async flush(options?: AbortOptions): Promise<void> {
    const digests = this.#waiting
    this.#waiting = []
    if (digests.length > 0) await this.#session.offer(this.#handle, digests, options)
  }
}

const MAX_KNOWN = 100_000
