import { MemoryLevel } from 'memory-level'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { concatBytes, equalBytes, fromHex, fromUtf8, toHex, toUtf8 } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { PeerfoldError } from '../../src/errors.js'
import type {
  CausalPast,
  Commit,
  CommitConsumer,
  FeedSecrets,
  IndexBatch,
  LogAuthority,
  UpdateStore,
  WorkspaceLog,
} from '../../src/log/types.js'
import { openWorkspaceLog, type WorkspaceLogInit } from '../../src/log/workspace-log.js'
import type { EpochId } from '../../src/ports/ids.js'
import type { KeyValue } from '../../src/ports/key-value.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { createMemoryLogStore, type MemoryLogStore } from '../../src/testing/memory-log-store.js'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'

/**
 * A log among the smallest possible neighbours: an authority that lets every certified feed write, and a consumer that keeps the texts it is
 * given. `real.test.ts` repeats the main path with the real ones.
 */

export const crypto = createWebCrypto()
export const WORKSPACE = toHex(sha256Now(toUtf8('workspace')))
export const HANDLE = toHex(sha256Now(toUtf8('handle')))

export function epochOf(label: string) {
  return {
    id: toHex(sha256Now(toUtf8(`${label} id`))),
    read: sha256Now(toUtf8(`${label} read`)),
    push: sha256Now(toUtf8(`${label} push`)),
  }
}
export const EPOCH = epochOf('first')

/** A proof names the feed key and the device; a commit can bring an epoch (`{ type: 'epoch', label }`), or condemn a device. */
export class FakeAuthority implements LogAuthority {
  readonly workspace = WORKSPACE
  readonly handle = HANDLE
  readonly device: string
  readonly user = 'ee'.repeat(32)
  readonly epochs = new Map([[EPOCH.id, EPOCH]])
  currentEpoch = EPOCH
  condemned = new Map<string, number>()
  #listeners = new Set<(epoch: EpochId) => void>()

  constructor(name: string) {
    this.device = toHex(sha256Now(toUtf8(name)))
  }

  readonly keyring = {
    workspace: WORKSPACE,
    current: () => this.currentEpoch,
    get: (id: EpochId) => this.epochs.get(id),
    all: () => [...this.epochs.values()],
  }

  learn(label: string): void {
    const epoch = epochOf(label)
    if (this.epochs.has(epoch.id)) return
    this.epochs.set(epoch.id, epoch)
    for (const listener of this.#listeners) listener(epoch.id)
  }

  async certifyFeed(feedKey: Uint8Array): Promise<Uint8Array> {
    return concatBytes(feedKey, fromHex(this.device))
  }

  async checkFeed(feedKey: Uint8Array, proof: Uint8Array) {
    if (proof.length !== 64 || !equalBytes(feedKey, proof.subarray(0, 32))) {
      throw new PeerfoldError('CERTIFICATE_INVALID', 'the proof is for another feed')
    }
    return { device: toHex(proof.subarray(32)), user: this.user }
  }

  async judge(commit: { device: string; stamp: number }): Promise<'valid' | 'quarantine'> {
    const limit = this.condemned.get(commit.device)
    return limit !== undefined && commit.stamp > limit ? 'quarantine' : 'valid'
  }

  async apply(commit: { operations: readonly Record<string, unknown>[] }): Promise<boolean> {
    let changed = false
    for (const { type, label, device, above } of commit.operations) {
      if (type === 'epoch') this.learn(String(label))
      if (type !== 'condemn' || this.condemned.has(String(device))) continue
      this.condemned.set(String(device), Number(above))
      changed = true
    }
    return changed
  }

  async reset(): Promise<void> {}

  cite() {
    return { tenure: undefined, aclHeads: [], identityHeads: [] }
  }

  onKey(listener: (epoch: EpochId) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** Keeps each text under the writer and seq that brought it. `!` in a text makes it invalid. */
export class TextConsumer implements CommitConsumer {
  readonly #db: KeyValue
  readonly told: string[] = []
  resets = 0
  checks = 0
  failNext: Error | undefined

  constructor(db: KeyValue) {
    this.#db = db
  }

  async check(commit: Commit, past: CausalPast): Promise<void> {
    this.checks++
    if (past.covers(commit.writer, commit.seq)) throw new Error('a commit in its own past')
    for (const { update } of commit.updates) {
      if (fromUtf8(update).includes('!')) throw new PeerfoldError('UPDATE_INVALID', 'a text with !')
    }
  }

  async apply(commit: Commit, _past: CausalPast, batch: IndexBatch): Promise<void> {
    if (this.failNext !== undefined) throw this.failNext
    for (const [i, { update }] of commit.updates.entries()) {
      batch.push({ type: 'put', key: `text/${commit.writer}/${commit.seq}/${i}`, value: update })
    }
  }

  applied(commit: Commit): void {
    this.told.push(commit.id)
  }

  async reset(): Promise<void> {
    this.resets++
    await this.#db.clear({ gt: 'text/', lt: 'text0' })
  }

  async state(): Promise<Record<string, string>> {
    const entries = await this.#db.iterator({ gt: 'text/', lt: 'text0' }).all()
    return Object.fromEntries(entries.map(([key, value]) => [key, fromUtf8(value)]))
  }
}

export function memorySecrets(seed?: Uint8Array): FeedSecrets & { seed: Uint8Array | undefined } {
  return {
    seed,
    async load() {
      return this.seed
    },
    async save(next) {
      this.seed = next
    },
  }
}

/** Blocks of large transactions; `hidden` ones are not there yet. */
export class FakeUpdateStore implements UpdateStore {
  readonly kept: Map<string, Uint8Array>
  hidden = false
  constructor(kept = new Map<string, Uint8Array>()) {
    this.kept = kept
  }
  async put(updates: Uint8Array): Promise<Uint8Array> {
    const root = sha256Now(updates)
    this.kept.set(toHex(root), updates)
    return root
  }
  async get(root: Uint8Array): Promise<Uint8Array | undefined> {
    return this.hidden ? undefined : this.kept.get(toHex(root))
  }
}

export function memoryDb(): KeyValue {
  return new MemoryLevel<string, Uint8Array>({
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    storeEncoding: 'view',
  })
}

export interface Peer {
  log: WorkspaceLog
  store: MemoryLogStore
  db: KeyValue
  consumer: TextConsumer
  authority: FakeAuthority
  secrets: ReturnType<typeof memorySecrets>
  clock: ManualClock
  random: SeededRandom
  /** Commits one text. */
  say(...texts: string[]): Promise<Commit>
  state(): Promise<Record<string, string>>
  /** Closes the log and opens it again on what is stored. */
  restart(changes?: Partial<PeerParts>): Promise<Peer>
}

export interface PeerParts extends Partial<Omit<WorkspaceLogInit, 'store' | 'secrets' | 'authority'>> {
  store: MemoryLogStore
  secrets: ReturnType<typeof memorySecrets>
  authority: FakeAuthority
  seed: string
  clock: ManualClock
}

export async function openPeer(name: string, parts: Partial<PeerParts> = {}): Promise<Peer> {
  const store = parts.store ?? createMemoryLogStore()
  const db = parts.db ?? memoryDb()
  const authority = parts.authority ?? new FakeAuthority(name)
  const consumer = new TextConsumer(db)
  const secrets = parts.secrets ?? memorySecrets()
  const clock = parts.clock ?? createManualClock()
  const random = createSeededRandom(parts.seed ?? name)
  const rest = parts.updateStore === undefined ? {} : { updateStore: parts.updateStore }
  const narrow = parts.writerOf === undefined ? {} : { writerOf: parts.writerOf }
  const init = { store, db, authority, consumer, secrets, clock, random, crypto, ...rest, ...narrow }
  const log = await openWorkspaceLog(init)
  return {
    log,
    store,
    db,
    consumer,
    authority,
    secrets,
    clock,
    random,
    say: async (...texts) => {
      const updates = texts.map((text, shard) => ({ shard, update: toUtf8(text) }))
      return (await log.commit(async () => ({ updates }))) as Commit
    },
    state: () => consumer.state(),
    restart: async (changes = {}) => {
      await log.close()
      return openPeer(name, { ...init, seed: `${name} again`, ...changes })
    },
  }
}

export async function envelopesOf(peer: Peer): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const { envelope } of peer.log.missing(new Map())) all.push(envelope)
  return all
}

/** What two sessions do until neither lacks anything: send what the other's summary lacks, both ways. */
export async function exchange(...peers: Peer[]): Promise<void> {
  for (let round = 0; round < 10; round++) {
    let moved = 0
    for (const from of peers) {
      for (const to of peers) {
        const envelopes: Uint8Array[] = []
        for await (const { envelope } of from.log.missing(to.log.summary())) envelopes.push(envelope)
        const { applied } = await to.log.receive(envelopes)
        moved += applied.length
      }
    }
    if (moved === 0) return
  }
  throw new Error('the exchange does not end')
}
