import { createHash, randomBytes } from 'node:crypto'
import type { Clock, PeerId, WorkspaceHandle } from '@peerfold/core'
import { LRUCache } from 'lru-cache'
import type { Tokens } from './service.js'

const TOKEN_BYTES = 32
const VALID_MS = 15 * 60 * 1000
/** Devices that have tokens at a time. */
const MAX_DEVICES = 10_000
/** Tokens of one device: an older one may be in use while the next is fetched. */
const MAX_TOKENS = 4

interface Grant {
  peer: PeerId
  handles: Set<WorkspaceHandle>
  expires: number
}

/** Bearer tokens for HTTP (PROTOCOL.md §10.8). Only their hashes are kept, in memory: a dump of it opens nothing. */
export class MemoryTokens implements Tokens {
  readonly #clock: Pick<Clock, 'now'>
  readonly #grants = new Map<string, Grant>()
  /** Hashes of each device's tokens, the newest last. */
  readonly #devices = new LRUCache<PeerId, string[]>({
    max: MAX_DEVICES,
    dispose: (hashes, _, reason) => {
      if (reason !== 'set') for (const hash of hashes) this.#grants.delete(hash)
    },
  })

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  issue(peer: PeerId, handles: Iterable<WorkspaceHandle>): { token: string; expires: number } {
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    const expires = Math.trunc(this.#clock.now()) + VALID_MS
    const hashes = [...(this.#devices.get(peer) ?? []), hashOf(token)]
    for (const old of hashes.splice(0, Math.max(0, hashes.length - MAX_TOKENS))) this.#grants.delete(old)
    this.#devices.set(peer, hashes)
    this.#grants.set(hashOf(token), { peer, handles: new Set(handles), expires })
    return { token, expires }
  }

  check(token: string): { peer: PeerId; handles: ReadonlySet<WorkspaceHandle> } | undefined {
    const grant = this.#grants.get(hashOf(token))
    return grant === undefined || grant.expires <= this.#clock.now() ? undefined : grant
  }

  /** The keys of that workspace changed: who held the old ones may have been removed. */
  revoke(handle: WorkspaceHandle): void {
    for (const grant of this.#grants.values()) grant.handles.delete(handle)
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
