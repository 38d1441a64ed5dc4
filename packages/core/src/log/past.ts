import type { FeedId, WriterId } from '../ports/ids.js'
import type { Feeds, Vector } from './feeds.js'
import type { CausalPast } from './types.js'

/** A causal past as the log hands it out: a vector over the feeds of one state of the index. */
export class VectorPast implements CausalPast {
  readonly #feeds: Feeds
  readonly #vector: Vector
  readonly #writerOf: (feed: FeedId) => WriterId

  constructor(feeds: Feeds, vector: Vector, writerOf: (feed: FeedId) => WriterId) {
    this.#feeds = feeds
    this.#vector = vector
    this.#writerOf = writerOf
  }

  covers(writer: WriterId, seq: number): boolean {
    const feed = this.#feeds.byWriter(writer)
    return feed !== undefined && seq >= feed.firstSeq && (this.#vector.get(feed.number) ?? 0) >= seq
  }

  aliases(writer: WriterId): readonly WriterId[] {
    return this.#feeds.aliases(this.#vector, writer, this.#writerOf)
  }
}
