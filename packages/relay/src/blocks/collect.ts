import { type AbortOptions, type Clock, PeerfoldError, type WorkspaceHandle } from '@peerfold/core'
import { blockDigest } from '@peerfold/core/platform'
import { toHex } from '@peerfold/core/relay'
import { isKept } from '../mailbox/reduce.js'
import { blockRow, keys, readExpiry } from '../mailbox/rows.js'
import type { Rows } from '../mailbox/stage.js'
import type { Draft, Writer } from '../mailbox/writer.js'
import type { RelayCounters } from '../service.js'
import type { RelayLog } from '../types.js'
import type { SharedBlocks } from './shared-blocks.js'

/** Leases looked at in one job: others want to write, too. */
const AT_ONCE = 256
/** Between looks at the next blocks of the store, milliseconds: nobody waits for it. */
const SWEEP_PAUSE_MS = 20

export interface CollectorInit {
  writer: Writer
  rows: Rows
  blocks: SharedBlocks
  clock: Clock
  counters: RelayCounters
  log: RelayLog
  /** How often leases are looked through, milliseconds. */
  interval: number
}

interface Collected {
  blocks: number
  bytes: number
}

/**
 * Deletes what nobody committed to keep (PROTOCOL.md §10.6): blocks whose leases ran out before their sender pushed a commit, and blocks that a crash
 * left in the store before a lease named them. Nothing else is ever deleted.
 */
export class Collector {
  readonly #init: CollectorInit
  readonly #stop = new AbortController()
  #running: Promise<Collected> | undefined
  #watching: Promise<void> | undefined

  constructor(init: CollectorInit) {
    this.#init = init
  }

  start(): void {
    this.#watching = this.#watch()
  }

  /** One at a time. */
  collect(options: AbortOptions = {}): Promise<Collected> {
    options.signal?.throwIfAborted()
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async close(): Promise<void> {
    this.#stop.abort(new PeerfoldError('CLOSED', 'the relay is closing'))
    await this.#watching
    await this.#running?.catch(() => {})
  }

  async #watch(): Promise<void> {
    const { clock, interval, log } = this.#init
    const { signal } = this.#stop
    while (!signal.aborted) {
      await clock.sleep(interval, { signal }).catch(() => {})
      if (signal.aborted) return
      await this.collect().catch((error: Error) => {
        if (!signal.aborted) log.warn({ reason: error.message }, 'collecting blocks failed')
      })
    }
  }

  async #collect(): Promise<Collected> {
    const expired = await this.#dropExpired()
    const swept = await this.#sweep()
    this.#init.counters.blocksCollected += expired.blocks + swept
    return { blocks: expired.blocks + swept, bytes: expired.bytes }
  }

  async #dropExpired(): Promise<Collected> {
    const { writer, rows, blocks, clock } = this.#init
    const sum: Collected = { blocks: 0, bytes: 0 }
    const now = clock.now()
    for (;;) {
      this.#stop.signal.throwIfAborted()
      const due = await rows.keys({ ...keys.expiredBy(now), limit: AT_ONCE })
      if (due.length === 0) return sum
      const dropped = await writer.submit({ commits: 1, bytes: 40 * due.length }, (draft) =>
        drop(draft, due, now),
      )
      sum.blocks += await blocks.deleteUnused(dropped.digests)
      sum.bytes += dropped.bytes
    }
  }

  /** Blocks that lie in the store and that no workspace has. */
  async #sweep(): Promise<number> {
    const { blocks, clock } = this.#init
    const { signal } = this.#stop
    let deleted = 0
    let batch: string[] = []
    const flush = async () => {
      deleted += await blocks.deleteUnused(batch)
      batch = []
      await clock.sleep(SWEEP_PAUSE_MS, { signal })
    }
    for await (const cid of blocks.list({ signal })) {
      const digest = toHex(blockDigest(cid))
      if (!(await blocks.isListed(digest))) batch.push(digest)
      if (batch.length === AT_ONCE) await flush()
    }
    if (batch.length > 0) await flush()
    return deleted
  }
}

/** In the queue, so that no push and no lease comes between looking and dropping. */
async function drop(
  draft: Draft,
  due: readonly string[],
  now: number,
): Promise<{ digests: string[]; bytes: number }> {
  const byHandle = new Map<WorkspaceHandle, string[]>()
  let bytes = 0
  const seen = new Set<string>()
  for (const key of due) {
    const { digest, handle } = readExpiry(key)
    draft.stage.del(key)
    if (seen.has(keys.block(digest, handle))) continue
    seen.add(keys.block(digest, handle))
    const freed = await freedBy(draft, digest, handle, now)
    if (freed === undefined) continue
    bytes += freed
    byHandle.set(handle, [...(byHandle.get(handle) ?? []), digest])
  }
  for (const [handle, digests] of byHandle) await draft.append({ type: 'dropped', handle, digests })
  return { digests: [...byHandle.values()].flat(), bytes }
}

/** Bytes of a block whose last lease is over; undefined when it stays. */
async function freedBy(
  { stage }: Draft,
  digest: string,
  handle: WorkspaceHandle,
  now: number,
): Promise<number | undefined> {
  const encoded = await stage.get(keys.block(digest, handle))
  if (encoded === undefined) return undefined
  const row = blockRow.decode(encoded)
  if (await isKept(stage, handle, row)) {
    stage.put(keys.block(digest, handle), blockRow.encode({ bytes: row.bytes, kept: true, leases: [] }))
    return undefined
  }
  return row.leases.every(({ until }) => until <= now) ? row.bytes : undefined
}
