import type { LogSummary } from '../log/types.js'
import { type Codec, id, integer, invalid, list } from './codec.js'
import { MAX_HEADS } from './limits.js'

/** A feed's highest commit. */
export type Head = [feed: string, at: { seq: number; id: string }]

const feedId = id()
const commitId = id()
const seq = integer(0)

const head: Codec<Head> = {
  encode: ([feed, at]) => [feedId.encode(feed), seq.encode(at.seq), commitId.encode(at.id)],
  decode: (value, path) => {
    if (!Array.isArray(value) || value.length !== 3) throw invalid(path, '[feed, seq, id]')
    const [feed, number, commit] = value
    return [
      feedId.decode(feed, `${path}.feed`),
      { seq: seq.decode(number, `${path}.seq`), id: commitId.decode(commit, `${path}.id`) },
    ]
  },
}

/** Heads in wire form, ordered by feed, each feed once. */
export const heads: Codec<LogSummary> = {
  encode: (summary) => sorted(summary).slice(0, MAX_HEADS).map(head.encode),
  decode: (value, path) => {
    const decoded = list(head, MAX_HEADS).decode(value, path)
    decoded.forEach(([feed], index) => {
      if (index > 0 && feed <= (decoded[index - 1] as Head)[0])
        throw invalid(path, 'feeds in ascending order')
    })
    return new Map(decoded)
  },
}

function sorted(summary: LogSummary): Head[] {
  return [...summary].sort(([a], [b]) => (a < b ? -1 : 1))
}

/**
 * What changed between two summaries, as much of it as fits one message: `reset` when a feed vanished (it was re-keyed), so that the
 * receiver starts from nothing; undefined when they are equal.
 */
export function difference(
  before: LogSummary,
  after: LogSummary,
): { reset: boolean; heads: LogSummary } | undefined {
  const reset = [...before.keys()].some((feed) => !after.has(feed))
  const changed = reset ? [...after] : [...after].filter(([feed, at]) => before.get(feed)?.id !== at.id)
  if (changed.length === 0 && !reset) return undefined
  return { reset, heads: new Map(changed.slice(0, MAX_HEADS)) }
}

/** Feeds of which `theirs` holds something that `ours` lacks: later commits, or another branch. */
export function ahead(ours: LogSummary, theirs: LogSummary): Head[] {
  return [...theirs].filter(([feed, at]) => {
    const own = ours.get(feed)
    return own === undefined || own.seq < at.seq || (own.seq === at.seq && own.id !== at.id)
  })
}

/** Whether a replica with this summary has applied that commit. */
export function covers(summary: LogSummary, commit: { feed: string; seq: number; id: string }): boolean {
  const own = summary.get(commit.feed)
  return own !== undefined && (own.seq > commit.seq || own.id === commit.id)
}
