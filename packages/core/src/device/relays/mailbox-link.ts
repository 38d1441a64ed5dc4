import { Wakeup } from '../../async/wakeup.js'
import type { ContentRef } from '../../content/types.js'
import { isPeerfoldError, PeerfoldError } from '../../errors.js'
import { decodeEnvelope, identify, type Sealed } from '../../log/envelope.js'
import type { LogSummary } from '../../log/types.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { Clock } from '../../ports/clock.js'
import type { Crypto } from '../../ports/crypto.js'
import type { CommitId, FeedId } from '../../ports/ids.js'
import { MAX_BATCH_BYTES, MAX_BATCH_COMMITS } from '../../relay/limits.js'
import type { OpenedMailbox, RelaySession } from '../../relay/session.js'
import { nextChain, type Statement } from '../../relay/statements.js'
import type { WorkspaceRuntime } from '../workspace-runtime.js'
import { contentsNamed, digestsOf } from './commit-blocks.js'
import { enterMailbox, followEpoch } from './enter-mailbox.js'
import { type MailboxMemory, type MailboxState, START } from './mailbox-memory.js'
import { Offers } from './offers.js'

export interface MailboxLinkInit {
  session: RelaySession
  workspace: WorkspaceRuntime
  memory: MailboxMemory
  crypto: Crypto
  clock: Clock
  /** The relay takes and gives blocks of this workspace from now on. */
  onOpen(): void
  /** Something that status shows has changed. */
  onChange(): void
  /** The relay contradicts itself. */
  onLie(error: PeerfoldError): void
}

/**
 * How long the author of a commit, whose blocks are not here, is left to bring both, milliseconds. Others who find the commit at the relay look there
 * for its blocks, and would find none.
 */
const HEAD_START_MS = 30_000

type Outgoing = { id: CommitId; envelope: Uint8Array }

/**
 * One workspace at one relay, for one session: what the relay lacks goes there, blocks first; what lies there comes here (PROTOCOL.md §10.6).
 */
export class MailboxLink {
  readonly #init: MailboxLinkInit
  readonly #offers: Offers
  readonly #changed = new Wakeup()
  #dirty = true
  #state: MailboxState = { incarnation: '', read: START, seen: START, audited: false }
  /** As far as the mailbox is read in this run, beyond `read` while commits wait for their causes. */
  #cursor = START
  /** Read, and held back here. */
  readonly #held = new Set<CommitId>()
  /** Where the mailbox ended when last heard of. */
  #end = 1
  readonly #heads = new Map<FeedId, { seq: number; id: CommitId }>()
  /** Pushed in this session: they are not news when they are read. */
  readonly #pushed = new Set<CommitId>()
  #sent: string | undefined
  /** Commits of others without all of their blocks, and when each was found so, monotonic milliseconds. */
  readonly #partial = new Map<CommitId, number>()
  #opened: OpenedMailbox | undefined

  constructor(init: MailboxLinkInit) {
    this.#init = init
    this.#offers = new Offers(init.session, init.workspace.handle)
  }

  /** Whether the relay durably holds all that is here now, blocks included. */
  get holdsAll(): boolean {
    return this.#state.audited && this.#sent === headsOf(this.#init.workspace)
  }

  /** Whether everything that lies there has come here. */
  get caughtUp(): boolean {
    return this.#opened !== undefined && this.#cursor.next >= this.#end
  }

  /** Where this device is in the mailbox. */
  get place(): { incarnation: string; next: number } {
    return { incarnation: this.#state.incarnation, next: this.#end }
  }

  get usage(): { bytes: number; quota: number } | undefined {
    const { session, workspace } = this.#init
    return this.#opened && { bytes: session.bytesOf(workspace.handle), quota: this.#opened.quota }
  }

  /** There may be something to send. */
  wake(): void {
    this.#dirty = true
    this.#changed.wake()
  }

  /** The mailbox grew. */
  grew(next: number): void {
    this.#end = Math.max(this.#end, next)
    this.wake()
  }

  /** Runs until the signal aborts; rejects with what keeps it from going on. */
  async run(options: AbortOptions): Promise<never> {
    await this.#enter(options)
    for (;;) {
      while (!this.#dirty) await this.#changed.wait(options)
      this.#dirty = false
      await this.#receive(options)
      const followed = await followEpoch(this.#init, this.#opened?.epoch, () => this.#send(options), options)
      if (followed) await this.#enter(options)
      else await this.#send(options)
      if (!this.#state.audited && this.#init.workspace.complete) await this.#audit(options)
      await this.#save(options)
      this.#init.onChange()
    }
  }

  async #enter(options: AbortOptions): Promise<void> {
    const opened = await enterMailbox(this.#init, options)
    this.#opened = opened
    this.#remember(opened.statement, opened.role)
    this.#end = opened.statement.next
    this.#heads.clear()
    for (const { feed, seq, id } of opened.heads) this.#heads.set(feed, { seq, id })
    if (opened.role !== 'rotation') return this.#init.onOpen()
    await this.#receive(options)
    throw new PeerfoldError(
      'KEY_MISSING',
      'the keys of the workspace changed, and the new ones are not here yet',
      {
        hint: `Connect a device that has them. If a removed device changed them, have the operator run \`peerfold-relay reset ${this.#init.workspace.handle}\`.`,
      },
    )
  }

  /** Compares what the relay says now with what it signed before. */
  #remember({ incarnation, next, chain }: Statement, role: OpenedMailbox['role']): void {
    const { memory, workspace } = this.#init
    const known = memory.get(workspace.handle)
    this.#state = { incarnation, read: START, seen: START, audited: false }
    if (known === undefined) {
      // Nothing but what this device sends will be there: each commit goes with its blocks.
      this.#state.audited = next === 1
    } else if (
      // Who holds only earlier keys is shown less, and that is no lie.
      role !== 'rotation' &&
      known.incarnation === incarnation &&
      (next < known.seen.next || (next === known.seen.next && chain !== known.seen.chain))
    ) {
      this.#lie('shows an older or another mailbox than it signed')
    } else if (known.incarnation === incarnation) this.#state = known
    this.#cursor = this.#state.read
    this.#held.clear()
  }

  async #receive(options: AbortOptions): Promise<void> {
    const { session, workspace } = this.#init
    while (this.#cursor.next < this.#end) {
      const { envelopes, statement } = await session.read(workspace.handle, this.#cursor.next, options)
      this.#end = Math.max(this.#end, statement.next)
      // Nothing more may be read with these keys.
      if (envelopes.length === 0) return
      const commits = await this.#identify(envelopes, options)
      this.#follow(commits, statement)
      const { held, rejected } = await workspace.log.receive(envelopes, options)
      const later = rejected.find(({ error }) => error.retryable)
      if (later !== undefined) throw later.error
      for (const { id } of held) this.#held.add(id)
      await this.#offerOwn(commits, options)
    }
    await this.#advance()
  }

  async #identify(envelopes: readonly Uint8Array[], options: AbortOptions): Promise<Sealed[]> {
    try {
      return await identify(this.#init.crypto, envelopes.map(decodeEnvelope), options)
    } catch (cause) {
      if (!isPeerfoldError(cause, 'COMMIT_INVALID')) throw cause
      throw this.#lie('keeps what is no commit', cause)
    }
  }

  /** Moves on behind these commits, if they give the chain that the relay signed. */
  #follow(commits: readonly Sealed[], statement: Statement): void {
    let { next, chain } = this.#cursor
    for (const { id } of commits) {
      chain = nextChain(chain, id)
      next++
      // What it signs now, and what it signed before.
      for (const signed of [statement, this.#state.seen])
        if (next === signed.next && chain !== signed.chain)
          throw this.#lie('gives other commits than it signed')
    }
    this.#cursor = { next, chain }
    this.#see(statement)
    for (const commit of commits) this.#note(commit)
  }

  /** Nothing that it said before counts any more: at the next try the mailbox is read from its beginning. */
  #lie(what: string, cause?: unknown): PeerfoldError {
    const { session, memory, workspace } = this.#init
    const error = new PeerfoldError('RELAY_LIED', `${session.relay} ${what}`, { cause })
    this.#init.onLie(error)
    this.#state = { ...this.#state, read: START, seen: START, audited: false }
    memory.set(workspace.handle, this.#state).catch(() => {})
    return error
  }

  #see({ next, chain }: Statement): void {
    if (next > this.#state.seen.next) this.#state.seen = { next, chain }
  }

  #note({ feed, seq, id }: Pick<Sealed, 'feed' | 'seq' | 'id'>): void {
    if ((this.#heads.get(feed)?.seq ?? 0) < seq) this.#heads.set(feed, { seq, id })
    this.#partial.delete(id)
  }

  /** What others brought here of this device's commits: its blocks are this device's to bring. */
  async #offerOwn(commits: readonly Sealed[], options: AbortOptions): Promise<void> {
    const { log, access } = this.#init.workspace
    for (const { id } of commits) {
      if (this.#pushed.delete(id)) continue
      const own = await log.get(id, options).then(
        ({ device }) => device === access.device,
        () => false,
      )
      if (own) await this.#offerContents(id, options)
    }
    await this.#offers.flush(options)
  }

  /** `read` moves on once nothing that was read waits for something else. */
  async #advance(): Promise<void> {
    for (const id of this.#held) if (await this.#init.workspace.log.has(id)) this.#held.delete(id)
    if (this.#held.size === 0) this.#state.read = this.#cursor
  }

  async #send(options: AbortOptions): Promise<void> {
    const { workspace } = this.#init
    const heads = headsOf(workspace)
    let batch: Outgoing[] = []
    let bytes = 0
    for await (const commit of workspace.log.missing(this.#summary(), options)) {
      if (batch.length >= MAX_BATCH_COMMITS || bytes + commit.envelope.length > MAX_BATCH_BYTES) {
        await this.#push(batch, options)
        batch = []
        bytes = 0
      }
      const whole = await this.#offerContents(commit.id, options)
      // What comes after it may build on it.
      if (!whole && this.#leaves(commit.id, options)) {
        if (batch.length > 0) await this.#push(batch, options)
        return
      }
      this.#partial.delete(commit.id)
      if (!whole) this.#state.audited = false
      batch.push(commit)
      bytes += commit.envelope.length
    }
    if (batch.length > 0) await this.#push(batch, options)
    this.#sent = heads
  }

  /** Whether a commit is left to its author for now. */
  #leaves(id: CommitId, { signal }: AbortOptions): boolean {
    const { clock } = this.#init
    const now = clock.monotonic()
    const since = this.#partial.get(id)
    if (since !== undefined) return now < since + HEAD_START_MS
    this.#partial.set(id, now)
    clock.sleep(HEAD_START_MS, { signal }).then(
      () => this.wake(),
      () => {},
    )
    return true
  }

  #summary(): LogSummary {
    return new Map(this.#heads)
  }

  async #push(batch: readonly Outgoing[], options: AbortOptions): Promise<void> {
    const { session, workspace } = this.#init
    await this.#offers.flush(options)
    const before = this.#cursor
    const { statement } = await session.push(workspace.handle, batch, options)
    const commits = await this.#identify(
      batch.map(({ envelope }) => envelope),
      options,
    )
    for (const commit of commits) {
      this.#pushed.add(commit.id)
      this.#note(commit)
    }
    this.#see(statement)
    this.#end = Math.max(this.#end, statement.next)
    this.#skip(before, commits, statement)
    // What the relay signed is held against it, also after a crash.
    await this.#save(options)
  }

  /** What was just sent need not be read again, where nothing else came between. */
  #skip(before: { next: number; chain: string }, commits: readonly Sealed[], statement: Statement): void {
    if (before.next + commits.length !== statement.next) return
    const chain = commits.reduce((so, { id }) => nextChain(so, id), before.chain)
    if (chain !== statement.chain) return
    this.#cursor = { next: statement.next, chain }
    for (const { id } of commits) this.#pushed.delete(id)
    if (this.#held.size === 0) this.#state.read = this.#cursor
  }

  /** @returns whether all that the commit names is here, and so there */
  async #offerContents(id: CommitId, options: AbortOptions): Promise<boolean> {
    const contents = await contentsNamed(this.#listing(), id, options)
    let whole = contents !== undefined
    for (const content of contents ?? []) whole = (await this.#offerContent(content, options)) && whole
    return whole
  }

  /** @returns whether it is all here */
  async #offerContent(content: ContentRef, options: AbortOptions): Promise<boolean> {
    const digests = digestsOf(this.#listing(), content, options)
    for (;;) {
      const { done, value } = await digests.next()
      if (done === true) return value
      await this.#offers.add(value, options)
    }
  }

  /** Every version that is here, older ones too: what others sent may lack blocks. */
  async #audit(options: AbortOptions): Promise<void> {
    for await (const { content } of this.#init.workspace.tree.allVersions(options))
      if (!(await this.#offerContent(content, options))) return
    await this.#offers.flush(options)
    this.#state.audited = true
  }

  #listing() {
    const { workspace, crypto } = this.#init
    const { log, blocks, replicator } = workspace
    return { log, blocks, replicator, crypto }
  }

  async #save(options: AbortOptions): Promise<void> {
    const { memory, workspace } = this.#init
    const known = memory.get(workspace.handle)
    if (JSON.stringify(known) !== JSON.stringify(this.#state))
      await memory.set(workspace.handle, this.#state, options)
  }
}

/** All that is in a workspace here, in a form that can be compared. */
export function headsOf({ log }: Pick<WorkspaceRuntime, 'log'>): string {
  return log.heads().sort().join()
}
