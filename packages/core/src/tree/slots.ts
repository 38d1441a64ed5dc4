import type { CommitDraft, ShardUpdate } from '../log/types.js'
import type { ItemId, WriterId } from '../ports/ids.js'
import { shardOf } from './item-id.js'
import { encodeRecord, type RecordRef, type TreeRecord } from './record.js'
import { nextClocks } from './record-map.js'
import type { RowView } from './row-view.js'
import { encodeUpdate } from './update.js'

interface Shard {
  first: number
  next: number
  /** Given out and given back. */
  free: number[]
}

/**
 * Clocks for the records of one transaction. A record keeps the clock it was given, because its id was shown; a clock that is given back is
 * given again, and one that nobody wants in the end becomes a void record.
 */
export class Slots {
  readonly #shards = new Map<number, Shard>()

  constructor(
    private readonly rows: RowView,
    private readonly shards: number,
    private readonly writer: WriterId,
  ) {}

  async take(item: ItemId): Promise<number> {
    const shard = await this.#shard(shardOf(item, this.shards))
    return shard.free.pop() ?? shard.next++
  }

  giveBack(item: ItemId, clock: number): void {
    this.#shards.get(shardOf(item, this.shards))!.free.push(clock)
  }

  async #shard(number: number): Promise<Shard> {
    const known = this.#shards.get(number)
    if (known) return known
    const commit = { writer: this.writer, signedWriter: this.writer }
    const past = { covers: () => true, aliases: (writer: WriterId) => [writer] }
    const { next } = await nextClocks({ rows: this.rows, commit, past }, number)
    const shard = { first: next, next, free: [] }
    this.#shards.set(number, shard)
    return shard
  }

  /** Canonical updates that say these records and no more; undefined when there are none. */
  draft(
    records: Iterable<{ record: Exclude<TreeRecord, { type: 'v' }>; clock: number }>,
  ): CommitDraft | undefined {
    const byShard = new Map<number, Array<{ text: string; clock: number; over: RecordRef[] }>>()
    for (const { record, clock } of records) {
      const shard = shardOf(record.item, this.shards)
      const written = byShard.get(shard)
      const text = { text: encodeRecord(record), clock, over: record.over }
      if (written) written.push(text)
      else byShard.set(shard, [text])
    }
    if (byShard.size === 0) return undefined
    const updates: ShardUpdate[] = []
    for (const shard of [...byShard.keys()].sort((a, b) => a - b)) {
      updates.push({ shard, update: this.#encode(shard, byShard.get(shard)!) })
    }
    return { updates }
  }

  #encode(
    shard: number,
    written: ReadonlyArray<{ text: string; clock: number; over: RecordRef[] }>,
  ): Uint8Array {
    const { first } = this.#shards.get(shard)!
    const records: string[] = []
    for (const { text, clock } of written) records[clock - first] = text
    const all = Array.from(records, (text) => text ?? encodeRecord({ type: 'v' }))
    return encodeUpdate({
      writer: this.writer,
      clock: first,
      records: all,
      deletions: written.flatMap(({ over }) => over),
    })
  }
}
