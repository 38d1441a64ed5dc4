import type { CommitId, DeviceId, EpochId } from '../ports/ids.js'
import type { EpochKeyring } from './keyring.js'
import type { EpochOperation } from './operations.js'

/** An epoch as one commit announced it. */
export interface EpochRecord {
  operation: EpochOperation
  /** Its commit stands. */
  stands: boolean
}

/**
 * Epochs as commits announced them. A removed device can announce an epoch again with other boxes or causes: announcements that stand count
 * before those that do not, and of several the one in the commit with the lowest id.
 */
export class EpochLedger {
  readonly #keyring: EpochKeyring
  readonly #records = new Map<EpochId, Map<CommitId, EpochRecord>>()

  constructor(keyring: EpochKeyring) {
    this.#keyring = keyring
  }

  put(commit: CommitId, record: EpochRecord): void {
    const { id } = record.operation
    const records = this.#records.get(id) ?? new Map<CommitId, EpochRecord>()
    this.#records.set(id, records.set(commit, record))
    const first = firstOf(records)
    if (first === undefined) return
    const previous = first[1].operation.previous.map((one) => one.id)
    this.#keyring.announce(id, { previous, void: !first[1].stands })
  }

  operations(): EpochOperation[] {
    return [...this.#records.values()].flatMap((records) =>
      [...records.values()].map(({ operation }) => operation),
    )
  }

  /** Devices that can open an epoch, or a combination of epochs: those in the boxes of each. Undefined while one was not announced. */
  readers(epoch: EpochId): ReadonlySet<DeviceId> | undefined {
    let readers: Set<DeviceId> | undefined
    for (const part of this.#keyring.parts(epoch)) {
      const records = this.#records.get(part)
      if (records === undefined) return undefined
      const boxed = new Set(
        counted(records).flatMap(([, { operation }]) => operation.boxes.map(({ device }) => device)),
      )
      readers = readers === undefined ? boxed : new Set([...readers].filter((device) => boxed.has(device)))
    }
    return readers
  }

  /** The commit that announced an epoch, or of a combination the part that is not `besides`. */
  announced(epoch: EpochId, besides: EpochId): CommitId | undefined {
    const parts = this.#keyring.parts(epoch).filter((part) => part !== besides)
    const commits = parts.flatMap((part) => firstOf(this.#records.get(part) ?? new Map())?.[0] ?? [])
    return commits.at(-1)
  }

  clear(): void {
    this.#records.clear()
    this.#keyring.forgetAnnounced()
  }
}

function counted(records: ReadonlyMap<CommitId, EpochRecord>): Array<[CommitId, EpochRecord]> {
  const all = [...records]
  const standing = all.filter(([, { stands }]) => stands)
  return standing.length > 0 ? standing : all
}

function firstOf(records: ReadonlyMap<CommitId, EpochRecord>): [CommitId, EpochRecord] | undefined {
  return counted(records).sort(([a], [b]) => (a < b ? -1 : 1))[0]
}
