import { MemoryLevel } from 'memory-level'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import type { ContentRef } from '../../src/content/types.js'
import { toHex, toUtf8 } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import type { CausalPast, Commit, CommitDraft, IndexBatch } from '../../src/log/types.js'
import type { CommitId, WriterId } from '../../src/ports/ids.js'
import type { KeyValue } from '../../src/ports/key-value.js'
import { createTree, type MergedIndex, type TreeInit } from '../../src/tree/tree.js'
import type { FileMeta, TreeTransaction } from '../../src/tree/types.js'

export const WORKSPACE = 'ab'.repeat(32)

export const META: FileMeta = { mtime: 1_700_000_000_000, type: 'file', executable: false }

/** A content whose hashes all follow from a label. */
export function contentOf(label: string, size = label.length): ContentRef {
  const hash = (what: string) => sha256Now(toUtf8(`${what} ${label}`))
  const root = CID.createV1(raw.code, Digest.create(0x12, hash('root')))
  return { root, key: hash('key'), plain: hash('plain'), size }
}

export function memoryDb(): KeyValue {
  return new MemoryLevel<string, Uint8Array>({
    keyEncoding: 'utf8',
    valueEncoding: 'view',
  }) as unknown as KeyValue
}

/** For each writer the last seq that lies before a commit. */
export type Vector = ReadonlyMap<WriterId, number>

export function pastOf(vector: Vector): CausalPast {
  return { covers: (writer, seq) => (vector.get(writer) ?? 0) >= seq, aliases: (writer) => [writer] }
}

export interface Sent {
  commit: Commit
  vector: Vector
}

export interface ReplicaInit {
  writer: WriterId
  db?: KeyValue
  tree?: Partial<TreeInit>
  now?: () => number
}

/** A device whose log is a few maps: commits travel as they are and are applied in causal order. */
export class Replica {
  readonly writer: WriterId
  readonly db: KeyValue
  tree!: MergedIndex
  readonly log: Sent[] = []
  readonly known = new Map<WriterId, number>()
  readonly #held: Sent[] = []
  readonly #init: ReplicaInit
  stamp = 0

  private constructor(init: ReplicaInit) {
    this.#init = init
    this.writer = init.writer
    this.db = init.db ?? memoryDb()
  }

  static async open(init: ReplicaInit): Promise<Replica> {
    const replica = new Replica(init)
    await replica.reopen()
    return replica
  }

  /** The tree anew, over what the key-value store has. */
  async reopen(): Promise<void> {
    const clock = { now: this.#init.now ?? (() => 1_700_000_000_000 + this.stamp) }
    this.tree = await createTree({ db: this.db, workspace: WORKSPACE, clock, ...this.#init.tree })
  }

  begin(): TreeTransaction {
    const seq = (this.known.get(this.writer) ?? 0) + 1
    return this.tree.begin(pastOf(this.known), this.stamp + 1, seq, this.writer)
  }

  async commit<T>(
    change: (tx: TreeTransaction) => Promise<T>,
  ): Promise<{ value: T; sent: Sent | undefined }> {
    const tx = this.begin()
    const value = await change(tx)
    const draft = await tx.draft()
    if (draft === undefined) return { value, sent: undefined }
    const sent = this.sign(draft)
    await this.take([sent])
    return { value, sent }
  }

  sign(draft: CommitDraft, fields: Partial<Commit> = {}): Sent {
    const seq = (this.known.get(this.writer) ?? 0) + 1
    const now = this.#init.now?.() ?? 1_700_000_000_000 + this.stamp
    return makeCommit(
      { ...fields, writer: this.writer, seq, stamp: this.stamp + 1, updates: draft.updates, time: now },
      this.known,
    )
  }

  /** As the log does: one batch for commits that come together. */
  async take(
    sent: readonly Sent[],
    write: (batch: IndexBatch) => Promise<void> = (batch) => this.write(batch),
  ): Promise<void> {
    const batch: IndexBatch = []
    for (const { commit, vector } of sent) {
      await this.tree.check(commit, pastOf(vector))
      await this.tree.apply(commit, pastOf(vector), batch)
    }
    await write(batch)
    for (const one of sent) {
      this.tree.applied(one.commit)
      this.note(one)
    }
  }

  /** What the log remembers of a commit that is in the index. */
  note(sent: Sent): void {
    this.log.push(sent)
    this.known.set(sent.commit.writer, sent.commit.seq)
    this.stamp = Math.max(this.stamp, sent.commit.stamp)
  }

  async write(batch: IndexBatch): Promise<void> {
    await this.db.batch(batch)
  }

  has({ commit }: Sent): boolean {
    return (this.known.get(commit.writer) ?? 0) >= commit.seq
  }

  /** Holds back what comes too early. */
  async receive(sent: Sent): Promise<void> {
    this.#held.push(sent)
    for (let next = this.#ready(); next; next = this.#ready()) {
      this.#held.splice(this.#held.indexOf(next), 1)
      if (!this.has(next)) await this.take([next])
    }
  }

  #ready(): Sent | undefined {
    return this.#held.find(
      (one) =>
        this.has(one) || [...one.vector].every(([writer, seq]) => (this.known.get(writer) ?? 0) >= seq),
    )
  }

  async pull(from: Replica): Promise<void> {
    for (const sent of from.log) if (!this.has(sent)) await this.receive(sent)
  }

  /** The whole merged tree by path. */
  async list(parent = '0'.repeat(32), prefix = ''): Promise<string[]> {
    const lines: string[] = []
    for await (const entry of this.tree.children(parent)) {
      const path = `${prefix}${entry.name}`
      lines.push(entry.kind === 'folder' ? `${path}/` : path)
      if (entry.kind === 'folder') lines.push(...(await this.list(entry.item, `${path}/`)))
    }
    return lines
  }
}

export function makeCommit(
  fields: Pick<Commit, 'writer' | 'seq' | 'stamp' | 'updates'> & Partial<Commit>,
  vector: Vector,
): Sent {
  const id: CommitId = toHex(sha256Now(toUtf8(`commit ${fields.writer} ${fields.seq} ${fields.stamp}`)))
  const device = toHex(sha256Now(toUtf8(`device ${fields.writer}`)))
  const commit: Commit = {
    id,
    feed: toHex(sha256Now(toUtf8(`feed ${fields.writer}`))),
    prev: undefined,
    epoch: '00'.repeat(32),
    signedFeed: toHex(sha256Now(toUtf8(`feed ${fields.writer}`))),
    signedWriter: fields.writer,
    device,
    user: '11'.repeat(32),
    deps: [],
    time: 1_700_000_000_000 + fields.stamp,
    claimedTime: 1_700_000_000_000 + fields.stamp,
    operations: [],
    tenure: undefined,
    aclHeads: [],
    identityHeads: [],
    ...fields,
  }
  return { commit, vector: new Map(vector) }
}
