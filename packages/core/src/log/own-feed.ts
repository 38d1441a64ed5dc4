import { PeerfoldError } from '../errors.js'
import type { Crypto } from '../ports/crypto.js'
import type { CommitId, FeedId, WriterId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import { feedIdOf } from './feed-names.js'
import type { Feed } from './feeds.js'
import type { Ledger } from './ledger.js'
import type { FeedSecrets } from './types.js'

export interface OwnFeedInit {
  crypto: Pick<Crypto, 'publicKey'>
  random: Random
  secrets: FeedSecrets
  writerOf: (feed: FeedId) => WriterId
}

/** The feed that this device writes. It outlives restarts; only a fork or a refused commit makes this device open another. */
export class OwnFeed {
  readonly #init: OwnFeedInit
  seed = new Uint8Array(32)
  key = new Uint8Array(32)
  id: FeedId = ''
  /** What the next commit says it replaces, while it is the first of its feed. */
  closes: { feed: FeedId; seq: number; id: CommitId } | undefined

  constructor(init: OwnFeedInit) {
    this.#init = init
  }

  get writer(): WriterId {
    return this.#init.writerOf(this.id)
  }

  async load(): Promise<void> {
    const seed = await this.#init.secrets.load()
    if (seed !== undefined && seed.length !== 32) {
      throw new PeerfoldError('INVALID_ARGUMENT', 'the seed of a feed is not 32 bytes')
    }
    if (seed === undefined) await this.#open(() => false)
    else this.#use(seed)
  }

  /** The highest own commit; undefined while the feed has none. */
  tip(ledger: Ledger): Feed | undefined {
    const feed = ledger.feeds.byId(this.id)
    return feed !== undefined && feed.tipSeq > 0 ? feed : undefined
  }

  /** Opens another feed unless this one can take a commit now. @param damaged feeds with commits that lie in the log unread */
  async prepare(ledger: Ledger, damaged: ReadonlySet<FeedId>): Promise<void> {
    if (this.#usable(ledger) && !damaged.has(this.id)) return
    const ended = ledger.feeds.bySigned(this.id).find(({ tipSeq }) => tipSeq > 0)
    await this.#open((writer) => ledger.feeds.byWriter(writer) !== undefined)
    if (ended !== undefined) this.closes = { feed: ended.signed, seq: ended.tipSeq, id: ended.tipId }
  }

  /** A forked, refused, quarantined or re-keyed feed takes no new commits. */
  #usable(ledger: Ledger): boolean {
    const branches = ledger.feeds.bySigned(this.id)
    if (ledger.marks.has(this.id) || branches.length > 1) return false
    return branches.length === 0
      ? ledger.feeds.byWriter(this.writer) === undefined
      : branches[0]?.id === this.id
  }

  /** The seed is durable before the feed has a commit: a crash between the two leaves an empty feed, which is then used. */
  async #open(taken: (writer: WriterId) => boolean): Promise<void> {
    let seed: Uint8Array
    do {
      seed = this.#init.random.bytes(32)
      this.#use(seed)
    } while (taken(this.writer))
    await this.#init.secrets.save(seed)
  }

  #use(seed: Uint8Array): void {
    this.seed = new Uint8Array(seed)
    this.key = new Uint8Array(this.#init.crypto.publicKey(seed))
    this.id = feedIdOf(this.key)
    this.closes = undefined
  }
}
