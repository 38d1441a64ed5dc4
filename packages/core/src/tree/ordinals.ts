import type { CausalPast } from '../log/types.js'
import type { WriterId } from '../ports/ids.js'
import type { RowView } from './row-view.js'
import { type CommitRow, keys, type Ordinal, type WriterRow } from './rows.js'

/**
 * Causality between commits that this device applied. A commit's past is nearly always "everything applied before it", so a row keeps only
 * what was missing (docs/decisions/0032).
 */
export async function covers(view: RowView, later: Ordinal, earlier: Ordinal): Promise<boolean> {
  if (earlier >= later) return false
  const { behind } = (await view.get(keys.commit(later)))!
  if (behind.length === 0) return true
  const { writer, seq } = (await view.get(keys.commit(earlier)))!
  return !behind.some((lag) => lag.writer === writer && lag.seq < seq)
}

/** What a past lacks of the commits applied so far. */
export function lagOf(past: CausalPast, writers: ReadonlyMap<WriterId, WriterRow>): CommitRow['behind'] {
  const behind: CommitRow['behind'] = []
  for (const [writer, { first, seq }] of writers) {
    if (!past.covers(writer, seq)) behind.push({ writer, seq: lastCovered(past, writer, first - 1, seq) })
  }
  return behind
}

/** The highest seq below `above` that is covered; `low` for none. */
function lastCovered(past: CausalPast, writer: WriterId, low: number, above: number): number {
  let high = above
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (past.covers(writer, middle)) low = middle
    else high = middle
  }
  return low
}
