import { Emitter } from '../async/emitter.js'
import { toHex } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type {
  CommitId,
  DeviceId,
  EpochId,
  FeedId,
  UserId,
  WorkspaceHandle,
  WorkspaceId,
} from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import type { Random } from '../ports/random.js'
import { type AccessHead, clearRows, readRows, rows, type WorkspaceName } from './access-rows.js'
import { CommitReader, type Reading } from './commit-reader.js'
import { deviceIdOf } from './device-secrets.js'
import { type Drafting, draftGenesis, draftName, draftRotation } from './drafts.js'
import { EpochLedger } from './epoch-ledger.js'
import { checkFeedSignature, createFeedCertificate, decodeFeedCertificate } from './feed-certificate.js'
import type { WorkspaceGenesis } from './genesis.js'
import type { Grant } from './grant.js'
import type { IdentityEntry } from './identity-entry.js'
import { foldIdentity, sortCausally } from './identity-fold.js'
import type { IdentityLog } from './identity-log.js'
import { EpochKeyring, type GrantedEpoch } from './keyring.js'
import { learnEpochs } from './learn-epochs.js'
import type { EpochOperation } from './operations.js'
import { type DeviceState, Removals, type Ruling } from './removals.js'
import type {
  AccessOperation,
  AuthoredCommit,
  CausalPast,
  DeviceSecrets,
  IndexBatch,
  Keyring,
  LogAuthority,
} from './types.js'

export interface WorkspaceAccessInit {
  crypto: Crypto
  random: Random
  genesis: WorkspaceGenesis
  secrets: DeviceSecrets
  /** The user's identity log as this device knows it now. */
  identity: () => IdentityLog
  /** Keys from grants, or from `createWorkspace`. */
  epochs: readonly GrantedEpoch[]
  /** Where the log writes the batches; read once, at opening, and cleared by `reset`. */
  index: KeyValue
}

interface AccessEvents {
  key: (epoch: EpochId) => void
  change: () => void
}

const MAX_HEADS = 64

/** @throws {PeerfoldError} `CERTIFICATE_INVALID` for keys that do not fit their epoch, `INDEX_CORRUPT` */
export async function openWorkspaceAccess(
  init: WorkspaceAccessInit,
  options?: AbortOptions,
): Promise<WorkspaceAccess> {
  const access = new WorkspaceAccess(init)
  await access.load(options)
  return access
}

/**
 * Who may write in one workspace, and its keys (PROTOCOL.md §3.11–§3.13): what the log asks, what a device drafts to change it, what it grants to others.
 */
export class WorkspaceAccess implements LogAuthority {
  readonly workspace: WorkspaceId
  readonly handle: WorkspaceHandle
  readonly device: DeviceId
  readonly user: UserId
  readonly #init: WorkspaceAccessInit
  readonly #keyring: EpochKeyring
  readonly #epochs: EpochLedger
  readonly #removals: Removals
  readonly #events = new Emitter<AccessEvents>()
  readonly #reader: CommitReader
  /** Entries that came with feed certificates, by the feed they certify. */
  readonly #certified = new Map<FeedId, IdentityEntry[]>()
  #name: WorkspaceName | undefined
  #tenure: string | undefined
  #heads: AccessHead[] = []

  /** Use `openWorkspaceAccess`. */
  constructor(init: WorkspaceAccessInit) {
    this.#init = init
    this.workspace = init.genesis.id
    this.handle = init.genesis.handle
    this.user = init.identity().user
    this.device = deviceIdOf(init.crypto.publicKey(init.secrets.signingSeed))
    this.#keyring = new EpochKeyring(this.workspace)
    this.#epochs = new EpochLedger(this.#keyring)
    this.#removals = new Removals(init.genesis.creator)
    const { crypto } = init
    const identity = () => this.#removals.identity
    this.#reader = new CommitReader({ crypto, workspace: this.workspace, identity })
    for (const epoch of init.epochs) this.#keyring.grant(epoch)
  }

  get keyring(): Keyring {
    return this.#keyring
  }

  /** The workspace's name as the log says; undefined before that commit has arrived. */
  get name(): string | undefined {
    return this.#name?.name
  }

  /** How a device stands in this workspace. Devices that never wrote here are active. */
  stateOf(device: DeviceId): DeviceState {
    return this.#removals.stateOf(device)
  }

  /** Identity entries that the log carries: of devices that wrote here, and of those that were removed. */
  identityEntries(): IdentityEntry[] {
    return [...this.#removals.identity.entries.values()]
  }

  /** The commit that announced an epoch; of a combination, a part other than `besides`. */
  announced(epoch: EpochId, besides: EpochId): CommitId | undefined {
    return this.#epochs.announced(epoch, besides)
  }

  /** Current epochs whose keys have not reached this device. */
  missingEpochs(): EpochId[] {
    return this.#keyring.tips().filter((id) => this.#keyring.get(id) === undefined)
  }

  /** Fires when name, keys or standings may have changed: grants to others are then out of date. */
  onChange(listener: () => void): () => void {
    return this.#events.on('change', listener)
  }

  onKey(listener: (epoch: EpochId) => void): () => void {
    return this.#events.on('key', listener)
  }

  /**
   * Takes keys from a grant. Idempotent.
   * @throws {PeerfoldError} `CERTIFICATE_INVALID` when a key does not fit its epoch
   */
  async learn(epochs: readonly GrantedEpoch[], options?: AbortOptions): Promise<void> {
    const before = new Set(this.#keyring.all().map(({ id }) => id))
    for (const epoch of epochs) this.#keyring.grant(epoch)
    await this.#learnEpochs(this.#epochs.operations(), options)
    const fresh = this.#keyring.all().filter(({ id }) => !before.has(id))
    for (const { id } of fresh) this.#events.emit('key', id)
    if (fresh.length > 0) this.#events.emit('change')
  }

  /** What another device of the user needs to open this workspace. */
  grant(): Grant {
    return { genesis: this.#init.genesis, name: this.name, epochs: this.#keyring.granted() }
  }

  /** Operations of the workspace's first commit. @throws {PeerfoldError} `NAME_INVALID` */
  draftGenesis(name: string, options?: AbortOptions): Promise<AccessOperation[]> {
    return draftGenesis(this.#drafting(), name, options)
  }

  /** @throws {PeerfoldError} `NAME_INVALID` */
  draftName(name: string): AccessOperation[] {
    return draftName(name)
  }

  /**
   * What must be said so that revocations and restorations that the identity log knows take effect here and removed devices read no further: names them
   * and starts a new epoch. Undefined when nothing is due. Commit the result alone, before anything else is written.
   *
   * @throws {PeerfoldError} `DEVICE_REVOKED` when this device is not active itself; `KEY_MISSING`
   */
  async draftRotation(options?: AbortOptions): Promise<AccessOperation[] | undefined> {
    // Before the workspace's first commit is here, nobody can say what its log has not named.
    if (this.#tenure === undefined) return undefined
    return draftRotation(this.#drafting(), options)
  }

  async certifyFeed(feedKey: Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    const { crypto, secrets, identity } = this.#init
    const { workspace } = this
    const proof = await createFeedCertificate(
      { crypto, identity: identity(), signingSeed: secrets.signingSeed, workspace, feedKey },
      options,
    )
    await this.checkFeed(feedKey, proof, options)
    return proof
  }

  async checkFeed(feedKey: Uint8Array, proof: Uint8Array, options?: AbortOptions) {
    const { crypto, genesis } = this.#init
    const certificate = decodeFeedCertificate(proof)
    await checkFeedSignature(crypto, certificate, this.workspace, feedKey, options)
    const entries = await this.#reader.verified(certificate.entries, options)
    const sorted = sortCausally(entries)
    const standing = foldIdentity(sorted).standings.get(certificate.device)
    if (sorted.length !== entries.length || standing === undefined) {
      throw new PeerfoldError(
        'CERTIFICATE_INVALID',
        'feed certificate: its entries do not certify the device',
      )
    }
    this.#certified.set(toHex(sha256Now(feedKey)), sorted)
    return { device: certificate.device, user: genesis.creator }
  }

  async judge(commit: AuthoredCommit, past: CausalPast): Promise<'valid' | 'quarantine'> {
    const reading = await this.#reader.read(commit)
    if (reading.unknown !== undefined) throw reading.unknown
    return this.#rule(commit, past, reading) === 'stands' ? 'valid' : 'quarantine'
  }

  async apply(commit: AuthoredCommit, past: CausalPast, batch: IndexBatch): Promise<boolean> {
    const reading = await this.#reader.read(commit)
    const ruling = reading.unknown === undefined ? this.#rule(commit, past, reading) : 'void'
    const certified = this.#certified.get(commit.signedFeed) ?? []
    const entries = [...certified, ...reading.entries]
    let changed = entries.length > 0 && this.#removals.learn(entries)
    const named = reading.entries.filter(({ type }) => type === 'revokeDevice' || type === 'restoreDevice')
    changed =
      this.#removals.apply(
        commit,
        past,
        ruling,
        named.map(({ id }) => id),
      ) || changed
    this.#keep(commit, ruling, entries, named.length > 0, batch)
    this.#certified.delete(commit.signedFeed)
    if (reading.operations.length > 0) await this.#applyOperations(commit, past, reading, ruling, batch)
    else if (entries.length > 0) this.#events.emit('change')
    return changed
  }

  async reset(): Promise<void> {
    this.#removals.reset()
    this.#epochs.clear()
    this.#name = undefined
    this.#tenure = undefined
    this.#heads = []
    await clearRows(this.#init.index)
  }

  cite() {
    return {
      tenure: this.#tenure,
      aclHeads: this.#heads.map(({ id }) => id),
      identityHeads: this.#removals.heads().slice(0, MAX_HEADS),
    }
  }

  /** Reads what the index kept. Called once, by `openWorkspaceAccess`. */
  async load(options?: AbortOptions): Promise<void> {
    const found = await readRows(this.#init.index, options)
    for (const [id, carrier] of found.carriers) this.#removals.carriers.set(id, carrier)
    for (const [writer, feed] of found.feeds) this.#removals.feeds.set(writer, feed)
    for (const [writer, seq] of found.voids) this.#removals.voids.set(writer, seq)
    this.#removals.restore(await this.#reader.verified(found.entries, options))
    for (const [commit, record] of found.epochs) this.#epochs.put(commit, record)
    await this.#learnEpochs(this.#epochs.operations(), options)
    this.#name = found.name
    this.#tenure = found.tenure
    this.#heads = found.heads
  }

  #drafting(): Drafting {
    const { crypto, random, genesis, identity } = this.#init
    return {
      crypto,
      random,
      genesis,
      identity: identity(),
      device: this.device,
      keyring: this.#keyring,
      epochs: this.#epochs,
      removals: this.#removals,
    }
  }

  /** Removed devices count only for what carries changes: who announces a new epoch has nothing but the old one to seal it with. */
  #rule(commit: AuthoredCommit, past: CausalPast, { operations }: Reading): Ruling {
    const exempt = operations.some(({ type }) => type === 'epoch' || type === 'identity')
    return this.#removals.rule(commit, past, exempt ? undefined : this.#epochs.readers(commit.epoch))
  }

  #keep(
    commit: AuthoredCommit,
    ruling: Ruling,
    entries: readonly IdentityEntry[],
    named: boolean,
    batch: IndexBatch,
  ): void {
    const { carriers, feeds, touched } = this.#removals
    for (const { id, bytes } of entries) batch.push(rows.entry(id, bytes))
    const carrier = carriers.get(commit.id)
    if (named && carrier !== undefined) batch.push(rows.carrier(commit.id, carrier))
    if (ruling === 'void')
      batch.push(rows.void(commit.writer, this.#removals.voids.get(commit.writer) ?? commit.seq))
    for (const writer of touched) {
      const feed = feeds.get(writer)
      if (feed !== undefined) batch.push(rows.feed(writer, feed))
    }
    touched.clear()
  }

  async #applyOperations(
    commit: AuthoredCommit,
    past: CausalPast,
    { operations }: Reading,
    ruling: Ruling,
    batch: IndexBatch,
  ): Promise<void> {
    const stands = ruling === 'stands'
    for (const operation of operations) {
      if (operation.type === 'epoch') {
        const record = { operation, stands }
        this.#epochs.put(commit.id, record)
        batch.push(rows.epoch(commit.id, record))
        await this.#learnEpochs([operation])
      }
      if (operation.type === 'name' && stands) this.#rename(operation.name, commit, batch)
      if (operation.type === 'genesis' && stands) {
        this.#tenure = operation.tenure
        batch.push(rows.tenure(operation.tenure))
      }
    }
    this.#heads = this.#heads.filter(({ writer, seq }) => !past.covers(writer, seq)).slice(0, MAX_HEADS - 1)
    this.#heads.push({ id: commit.id, writer: commit.writer, seq: commit.seq })
    batch.push(rows.heads(this.#heads))
    this.#events.emit('change')
  }

  async #learnEpochs(operations: readonly EpochOperation[], options?: AbortOptions): Promise<void> {
    const { workspace, device } = this
    const { crypto, secrets } = this.#init
    const init = { crypto, workspace, device, boxSecret: secrets.boxSecret, keyring: this.#keyring }
    await learnEpochs(init, operations, options)
  }

  #rename(name: string, { stamp, writer }: AuthoredCommit, batch: IndexBatch): void {
    const known = this.#name
    if (known !== undefined && (known.stamp > stamp || (known.stamp === stamp && known.writer >= writer)))
      return
    this.#name = { name, stamp, writer }
    batch.push(rows.name(this.#name))
  }
}
