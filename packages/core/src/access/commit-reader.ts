import { toHex } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { WorkspaceId } from '../ports/ids.js'
import type { IdentityEntry } from './identity-entry.js'
import { type IdentityLog, verifyEntries } from './identity-log.js'
import { decodeOperations, type Operation } from './operations.js'
import type { AuthoredCommit } from './types.js'

/** What a commit's operations say, decoded and with signatures checked. */
export interface Reading {
  operations: Operation[]
  /** From `identity` operations. */
  entries: IdentityEntry[]
  /** Something in it is of a later version. */
  unknown: PeerfoldError | undefined
}

export interface CommitReaderInit {
  crypto: Pick<Crypto, 'verify'>
  workspace: WorkspaceId
  /** Entries that were verified before. */
  identity(): IdentityLog
}

const NOTHING: Reading = { operations: [], entries: [], unknown: undefined }

/** Reads the access operations of commits, each once. */
export class CommitReader {
  readonly #init: CommitReaderInit
  readonly #readings = new WeakMap<AuthoredCommit, Reading>()

  constructor(init: CommitReaderInit) {
    this.#init = init
  }

  /** @throws {PeerfoldError} `COMMIT_INVALID` */
  async read(commit: AuthoredCommit): Promise<Reading> {
    if (commit.operations.length === 0) return NOTHING
    const known = this.#readings.get(commit)
    if (known !== undefined) return known
    if (commit.updates.length > 0) throw invalid('a commit carries updates or operations, not both')
    const reading = await this.#decode(commit)
    this.#readings.set(commit, reading)
    return reading
  }

  /** All of them, signatures checked, or none. @throws {PeerfoldError} `CERTIFICATE_INVALID`, `PROTOCOL_UNSUPPORTED` */
  async verified(bytes: readonly Uint8Array[], options?: AbortOptions): Promise<IdentityEntry[]> {
    if (bytes.length === 0) return []
    const { crypto } = this.#init
    const identity = this.#init.identity()
    const ids = bytes.map((one) => toHex(sha256Now(one)))
    const unknown = bytes.filter((_, i) => !identity.entries.has(ids[i] as string))
    const { verified, refused } = await verifyEntries(crypto, identity.user, unknown, options)
    if (refused[0] !== undefined) throw refused[0].error
    const fresh = new Map(verified.map(({ entry }) => [entry.id, entry]))
    const find = (id: string) => identity.entries.get(id) ?? fresh.get(id)
    return [...new Set(ids)].map((id) => find(id) as IdentityEntry)
  }

  async #decode(commit: AuthoredCommit): Promise<Reading> {
    try {
      const operations = decodeOperations(commit.operations)
      for (const operation of operations) this.#checkGenesis(operation, commit)
      const bytes = operations.flatMap((operation) =>
        operation.type === 'identity' ? operation.entries : [],
      )
      return { operations, entries: await this.verified(bytes), unknown: undefined }
    } catch (error) {
      if (isPeerfoldError(error, 'PROTOCOL_UNSUPPORTED')) return { ...NOTHING, unknown: error }
      if (isPeerfoldError(error, 'CERTIFICATE_INVALID')) throw invalid('its identity entries are', error)
      throw error
    }
  }

  #checkGenesis(operation: Operation, commit: AuthoredCommit): void {
    if (operation.type !== 'genesis') return
    const { id, creator } = operation.genesis
    const fits = id === this.#init.workspace && operation.owner === creator && commit.user === creator
    if (!fits || commit.seq !== 1) throw invalid('its genesis is not the one of this workspace')
  }
}

function invalid(reason: string, cause?: unknown): PeerfoldError {
  return new PeerfoldError('COMMIT_INVALID', `access operations: ${reason}`, { cause })
}
