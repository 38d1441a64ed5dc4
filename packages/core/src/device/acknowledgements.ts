import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import type { Clock } from '../ports/clock.js'
import type { DeviceId, WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { PeerProgress, Sync } from '../sync/types.js'
import type { DeviceJournal } from './journal.js'

export interface AcknowledgementsInit {
  journal: DeviceJournal
  clock: Clock
  /** Absent on a device that is offline. */
  sync(): Sync | undefined
}

const PROGRESS = 'progress/'
/** What came in since is written at most this often: losing it makes copies look fewer, never more. */
const SAVE_MS = 5000

/** What the other devices acknowledged, also in earlier runs: devices that are away still have it (PROTOCOL.md §8.7). */
export class Acknowledgements {
  readonly #init: AcknowledgementsInit
  readonly #changed = new Set<WorkspaceHandle>()
  readonly #closing = new AbortController()
  #saving: Promise<void> | undefined

  constructor(init: AcknowledgementsInit) {
    this.#init = init
  }

  /** What is known of a workspace at each peer, connected or not. */
  of(handle: WorkspaceHandle): Map<PeerId, PeerProgress> {
    const now = this.#init.sync()?.progress(handle) ?? []
    return new Map([...this.stored(handle), ...now])
  }

  /** The same as far as it was written. */
  stored(handle: WorkspaceHandle): Map<PeerId, PeerProgress> {
    const prefix = `${PROGRESS}${handle}/`
    const { journal } = this.#init
    return new Map(
      journal
        .keys(prefix)
        .map((key) => [key.slice(prefix.length), decodeProgress(journal.get(key) as Uint8Array)]),
    )
  }

  /** When a device was heard of last, in any workspace; milliseconds. */
  lastSeen(device: DeviceId): number | undefined {
    const { journal } = this.#init
    const times = journal
      .keys(PROGRESS)
      .map((key) => decodeProgress(journal.get(key) as Uint8Array))
      .flatMap((progress) => (progress.device === device ? [progress.lastSeen] : []))
    return times.length === 0 ? undefined : Math.max(...times)
  }

  /** A peer told something about a workspace: it will be written soon. */
  note(handle: WorkspaceHandle): void {
    this.#changed.add(handle)
    if (this.#closing.signal.aborted) return
    this.#saving ??= this.#saveSoon().finally(() => {
      this.#saving = undefined
    })
  }

  /** Drops what is known of a workspace. */
  async forget(handle: WorkspaceHandle): Promise<void> {
    this.#changed.delete(handle)
    const { journal } = this.#init
    await journal.set(journal.keys(`${PROGRESS}${handle}/`).map((key) => [key, undefined] as const))
  }

  /** Writes what is not written yet; call it while sync is still there. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#saving
    await this.#save().catch(() => {})
  }

  async #saveSoon(): Promise<void> {
    await this.#init.clock.sleep(SAVE_MS, { signal: this.#closing.signal }).catch(() => {})
    if (!this.#closing.signal.aborted) await this.#save().catch(() => {})
  }

  async #save(): Promise<void> {
    const { journal, sync } = this.#init
    const entries: Array<readonly [string, Uint8Array]> = []
    for (const handle of this.#changed) {
      for (const [peer, progress] of sync()?.progress(handle) ?? []) {
        const key = `${PROGRESS}${handle}/${peer}`
        entries.push([key, encodeProgress(progress)])
      }
    }
    this.#changed.clear()
    if (entries.length > 0) await journal.set(entries)
  }
}

function encodeProgress({ device, lossy, lastSeen, blocksComplete, summary }: PeerProgress): Uint8Array {
  const heads = [...summary].map(([feed, { seq, id }]) => [feed, seq, id])
  return encodeCbor([device, lastSeen, blocksComplete, heads, lossy])
}

function decodeProgress(bytes: Uint8Array): PeerProgress {
  const [device, lastSeen, blocksComplete, heads, lossy] = decodeCbor(bytes, 'HOME_INVALID') as [
    DeviceId,
    number,
    boolean,
    Array<[string, number, string]>,
    boolean,
  ]
  const summary = new Map(heads.map(([feed, seq, id]) => [feed, { seq, id }]))
  return { device, lossy, lastSeen, blocksComplete, summary, held: 0, rejected: 0 }
}
