import type { LogPosition } from '../ports/log-store.js'
import { merge } from './commit-index.js'
import type { Vector } from './feeds.js'
import type { Ledger } from './ledger.js'
import type { LogSummary } from './types.js'

/**
 * Where the commits lie that a replica with this summary lacks, causes before effects.
 *
 * An id that is known here says exactly what the other holds: that commit and its whole past. An unknown one with a higher seq than any here
 * says that the other is ahead on that feed. An unknown one that is not higher lies on another branch: then nothing of the feed is taken for
 * known but what other ids prove.
 */
export async function missingPositions(ledger: Ledger, summary: LogSummary): Promise<LogPosition[]> {
  let held: Vector = new Map()
  for (const [feedId, { seq, id }] of summary) {
    const entry = await ledger.index.get(id, true)
    if (entry?.verdict === 'valid') held = merge(held, await ledger.index.vector(id))
    else held = merge(held, ahead(ledger, feedId, seq, entry !== undefined))
  }
  const positions: LogPosition[] = []
  for (const feed of ledger.feeds.all) {
    positions.push(...(await ledger.index.above(feed.number, held.get(feed.number) ?? 0)))
  }
  return positions.sort((a, b) => a - b)
}

function ahead(ledger: Ledger, feedId: string, seq: number, refusedHere: boolean): Vector {
  const feed = ledger.feeds.byId(feedId)
  const forked = feed !== undefined && ledger.feeds.bySigned(feed.signed).length > 1
  if (feed === undefined || forked || refusedHere || seq <= feed.tipSeq) return new Map()
  return new Map([[feed.number, feed.tipSeq]])
}

/** For each feed its highest applied commit. */
export function summaryOf(ledger: Ledger): LogSummary {
  const applied = ledger.feeds.all.filter(({ tipSeq }) => tipSeq > 0)
  return new Map(applied.map(({ id, tipSeq, tipId }) => [id, { seq: tipSeq, id: tipId }]))
}
