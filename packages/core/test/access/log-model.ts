import { MemoryLevel } from 'memory-level'
import { createWorkspace } from '../../src/access/drafts.js'
import type { WorkspaceGenesis } from '../../src/access/genesis.js'
import type { IdentityLog } from '../../src/access/identity-log.js'
import type { GrantedEpoch } from '../../src/access/keyring.js'
import type { AccessOperation, AuthoredCommit, CausalPast, IndexBatch } from '../../src/access/types.js'
import { openWorkspaceAccess, type WorkspaceAccess } from '../../src/access/workspace-access.js'
import { toHex } from '../../src/encoding/bytes.js'
import { isPeerfoldError } from '../../src/errors.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import { crypto, type TestDevice, type TestUser } from './fixtures.js'

/** The least log that keeps the contract of `LogAuthority`: opened commits in causal order, verdicts, replays. Nothing is sealed or stored. */
export interface ModelCommit extends AuthoredCommit {
  causes: string[]
  /** Of the feed's first commit. */
  proof: Uint8Array | undefined
  feedKey: Uint8Array
}

export class ModelDevice {
  readonly commits = new Map<string, ModelCommit>()
  readonly verdicts = new Map<string, string>()
  readonly index = new MemoryLevel<string, Uint8Array>({ valueEncoding: 'view' })
  readonly #pasts = new Map<string, Set<string>>()
  access!: WorkspaceAccess
  identity: IdentityLog
  replays = 0
  readonly #random: SeededRandom
  readonly #feedKey: Uint8Array
  #seq = 0
  #last: string | undefined

  constructor(
    readonly device: TestDevice,
    readonly genesis: WorkspaceGenesis,
    readonly epochs: readonly GrantedEpoch[],
    identity: IdentityLog,
    random: SeededRandom,
  ) {
    this.identity = identity
    this.#random = random
    this.#feedKey = random.bytes(32)
  }

  /** Again over the same index: what a restart does. */
  async open(): Promise<this> {
    this.access = await openWorkspaceAccess({
      crypto,
      random: this.#random,
      genesis: this.genesis,
      secrets: this.device.secrets,
      identity: () => this.identity,
      epochs: this.epochs,
      index: this.index,
    })
    return this
  }

  valid(): string[] {
    return [...this.verdicts]
      .filter(([, verdict]) => verdict === 'valid')
      .map(([id]) => id)
      .sort()
  }

  /** What a commit made now builds on. */
  heads(): string[] {
    const valid = this.valid()
    const builtOn = new Set(valid.flatMap((id) => this.commits.get(id)?.causes ?? []))
    return valid.filter((id) => !builtOn.has(id))
  }

  async write(operations: AccessOperation[] = [], over: Partial<ModelCommit> = {}): Promise<ModelCommit> {
    const id = toHex(this.#random.bytes(32))
    const feed = toHex((await crypto.hash([this.#feedKey]))[0] as Uint8Array)
    const causes = [...new Set([...(this.#last === undefined ? [] : [this.#last]), ...this.heads()])]
    const commit: ModelCommit = {
      id,
      seq: ++this.#seq,
      writer: Number.parseInt(feed.slice(0, 12), 16),
      signedFeed: feed,
      epoch: this.access.keyring.current().id,
      device: this.device.id,
      user: this.access.user,
      stamp: 1 + Math.max(0, ...causes.map((cause) => this.commits.get(cause)?.stamp ?? 0)),
      updates: operations.length > 0 ? [] : ['an update'],
      operations,
      causes,
      proof: this.#seq === 1 ? await this.access.certifyFeed(this.#feedKey) : undefined,
      feedKey: this.#feedKey,
      ...over,
    }
    this.#last = id
    await this.receive([commit])
    return commit
  }

  /** Takes commits whose causes are there or among those before them. */
  async receive(commits: Iterable<ModelCommit>): Promise<void> {
    let stale = false
    for (const commit of commits) {
      if (this.commits.has(commit.id)) continue
      this.commits.set(commit.id, commit)
      stale = (await this.#take(commit, stale)) || stale
    }
    if (stale) await this.#replay()
  }

  async receiveFrom(other: ModelDevice): Promise<void> {
    await this.receive(other.commits.values())
  }

  async #take(commit: ModelCommit, stale: boolean): Promise<boolean> {
    const { access } = this
    const past = this.#past(commit)
    if (commit.proof !== undefined) await access.checkFeed(commit.feedKey, commit.proof)
    let verdict: string
    try {
      verdict = await access.judge(commit, past)
    } catch (error) {
      if (!isPeerfoldError(error, 'COMMIT_INVALID')) throw error
      this.verdicts.set(commit.id, 'void')
      return false
    }
    if (!commit.causes.every((cause) => this.verdicts.get(cause) === 'valid')) verdict = 'quarantine'
    const batch: IndexBatch = []
    const changed = await access.apply(commit, past, batch)
    await this.index.batch(batch)
    this.verdicts.set(commit.id, stale || changed ? 'quarantine' : verdict)
    return changed
  }

  async #replay(): Promise<void> {
    for (let stale = true; stale; ) {
      if (this.replays++ > 200) throw new Error('verdicts do not settle')
      stale = false
      this.verdicts.clear()
      await this.access.reset()
      for (const commit of this.commits.values()) stale = (await this.#take(commit, stale)) || stale
    }
  }

  #past(commit: ModelCommit): CausalPast {
    const past = new Set<string>()
    for (const cause of commit.causes) {
      past.add(cause)
      for (const id of this.#pasts.get(cause) ?? []) past.add(id)
    }
    this.#pasts.set(commit.id, past)
    const seqs = new Map<number, number>()
    for (const id of past) {
      const { writer, seq } = this.commits.get(id) as ModelCommit
      seqs.set(writer, Math.max(seq, seqs.get(writer) ?? 0))
    }
    return { covers: (writer, seq) => seq <= (seqs.get(writer) ?? 0), aliases: (writer) => [writer] }
  }
}

export interface ModelWorkspace {
  owner: TestUser
  identity: IdentityLog
  devices: TestDevice[]
  models: ModelDevice[]
  /** A further replica, with nothing received yet. */
  observer(): Promise<ModelDevice>
}

/** Devices of one user in one workspace, in sync after its first commit. */
export async function modelWorkspace(household: {
  owner: TestUser
  identity: IdentityLog
  devices: TestDevice[]
}): Promise<ModelWorkspace> {
  const { owner, identity, devices } = household
  const { genesis, epochs } = createWorkspace(owner.random, owner.user)
  const model = (device: TestDevice) =>
    new ModelDevice(
      device,
      genesis,
      epochs,
      identity,
      owner.random.fork(device.id + owner.random.integer(1e9)),
    ).open()
  const models: ModelDevice[] = []
  for (const device of devices) models.push(await model(device))
  const [first, ...others] = models as [ModelDevice, ...ModelDevice[]]
  await first.write(await first.access.draftGenesis('Photos'))
  for (const other of others) await other.receiveFrom(first)
  return { owner, identity, devices, models, observer: () => model(devices[0] as TestDevice) }
}
