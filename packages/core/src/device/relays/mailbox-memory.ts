import { fromHex, toHex } from '../../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../../encoding/cbor.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { WorkspaceHandle } from '../../ports/ids.js'
import type { PeerId } from '../../ports/network.js'
import { START_CHAIN } from '../../relay/statements.js'
import type { DeviceJournal } from '../journal.js'

/** A place in a mailbox, and what lies before it. */
export interface Place {
  next: number
  chain: string
}

/** What this device remembers of one workspace at one relay. */
export interface MailboxState {
  incarnation: string
  /** Everything before is in this device's log. */
  read: Place
  /** The furthest that the relay has signed. */
  seen: Place
  /** Every block of every version that was here is known to be there. */
  audited: boolean
}

const MAILBOX = 'mailbox/'

export const START: Place = { next: 1, chain: START_CHAIN }

/** Those memories in the device's journal (PROTOCOL.md §8.7): without them a relay could show an older state unnoticed. */
export class MailboxMemory {
  readonly #journal: DeviceJournal
  readonly #relay: PeerId

  constructor(journal: DeviceJournal, relay: PeerId) {
    this.#journal = journal
    this.#relay = relay
  }

  get(handle: WorkspaceHandle): MailboxState | undefined {
    const bytes = this.#journal.get(this.#key(handle))
    if (bytes === undefined) return undefined
    const [incarnation, read, seen, audited] = decodeCbor(bytes, 'HOME_INVALID') as [
      Uint8Array,
      [number, Uint8Array],
      [number, Uint8Array],
      boolean,
    ]
    return { incarnation: toHex(incarnation), read: placeOf(read), seen: placeOf(seen), audited }
  }

  async set(handle: WorkspaceHandle, state: MailboxState, options?: AbortOptions): Promise<void> {
    const { incarnation, read, seen, audited } = state
    const value = encodeCbor([fromHex(incarnation), pack(read), pack(seen), audited])
    await this.#journal.set([[this.#key(handle), value]], options)
  }

  /** Forgets all of the relay. */
  async clear(): Promise<void> {
    const keys = this.#journal.keys(`${MAILBOX}${this.#relay}/`)
    if (keys.length > 0) await this.#journal.set(keys.map((key) => [key, undefined] as const))
  }

  #key(handle: WorkspaceHandle): string {
    return `${MAILBOX}${this.#relay}/${handle}`
  }
}

function pack({ next, chain }: Place): [number, Uint8Array] {
  return [next, fromHex(chain)]
}

function placeOf([next, chain]: [number, Uint8Array]): Place {
  return { next, chain: toHex(chain) }
}
