import { fromHex, toHex } from '../../src/encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../../src/encoding/cbor.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { PeerfoldError } from '../../src/errors.js'
import type { Commit, LogSummary, ReceiveResult, WorkspaceLog } from '../../src/log/types.js'

interface Entry {
  id: string
  feed: string
  seq: number
  deps: string[]
  envelope: Uint8Array
}

/** A log without crypto: commits are CBOR, linked by hash; what lacks its causes is held. Survives `createFakeLog(feed, disk)`. */
export function createFakeLog(feedName: string, disk: Map<string, Entry> = new Map()) {
  const feed = toHex(sha256Now(new TextEncoder().encode(feedName)))
  const held = new Map<string, Entry>()
  const listeners = new Set<(commit: Commit, local: boolean) => void>()
  const state = {
    receives: 0,
    fail: undefined as Error | undefined,
    gate: undefined as Promise<void> | undefined,
  }
  const summary = (): LogSummary => {
    const heads: LogSummary = new Map()
    for (const { feed, seq, id } of disk.values()) {
      if ((heads.get(feed)?.seq ?? -1) < seq) heads.set(feed, { seq, id })
    }
    return heads
  }
  const heads = () => {
    const causes = new Set([...disk.values()].flatMap(({ deps }) => deps))
    return [...disk.keys()].filter((id) => !causes.has(id)).sort()
  }
  const apply = (entry: Entry, local: boolean) => {
    disk.set(entry.id, entry)
    for (const listener of listeners) listener(entry as unknown as Commit, local)
  }
  const parse = (envelope: Uint8Array): Entry => {
    const { feed, seq, deps } = decodeCbor(envelope, 'COMMIT_INVALID') as {
      feed: string
      seq: number
      deps: Uint8Array[]
    }
    return { id: toHex(sha256Now(envelope)), feed, seq, deps: deps.map(toHex), envelope }
  }
  const log = {
    feed,
    state,
    disk,
    listeners,
    summary,
    heads,
    commit: async (payload: Uint8Array | string = '') => {
      const seq = (summary().get(feed)?.seq ?? -1) + 1
      const envelope = encodeCbor({ feed, seq, deps: heads().map(fromHex), payload })
      const entry = parse(envelope)
      apply(entry, true)
      return entry as unknown as Commit
    },
    receive: async (envelopes: readonly Uint8Array[]): Promise<ReceiveResult> => {
      state.receives++
      await state.gate
      if (state.fail !== undefined) throw state.fail
      const result: ReceiveResult = {
        applied: [],
        known: [],
        held: [],
        rejected: [],
        quarantined: [],
        forked: false,
      }
      for (const envelope of envelopes) {
        try {
          const entry = parse(envelope)
          if (disk.has(entry.id)) result.known.push(entry.id)
          else held.set(entry.id, entry)
        } catch (error) {
          result.rejected.push({ id: undefined, error: error as PeerfoldError, blame: 'forwarder' })
        }
      }
      for (let again = true; again; ) {
        again = false
        for (const entry of [...held.values()].filter(({ deps }) => deps.every((dep) => disk.has(dep)))) {
          held.delete(entry.id)
          apply(entry, false)
          result.applied.push(entry.id)
          again = true
        }
      }
      for (const { id, deps } of held.values()) {
        result.held.push({ id, missing: deps.filter((dep) => !disk.has(dep)), reason: 'dep' })
      }
      return result
    },
    has: async (id: string) => disk.has(id),
    envelope: async (id: string) => {
      const entry = disk.get(id)
      if (entry === undefined) throw new PeerfoldError('NOT_FOUND', id)
      return entry.envelope
    },
    get: async (id: string) => {
      const entry = disk.get(id)
      if (entry === undefined) throw new PeerfoldError('NOT_FOUND', id)
      return entry as unknown as Commit
    },
    async *missing(theirs: LogSummary) {
      for (const { id, feed, seq, envelope } of [...disk.values()]) {
        if ((theirs.get(feed)?.seq ?? -1) < seq) yield { id, envelope }
      }
    },
    on: (_event: string, listener: (commit: Commit, local: boolean) => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return log
}

export type FakeLog = ReturnType<typeof createFakeLog>

export function asLog(log: FakeLog): WorkspaceLog {
  return log as unknown as WorkspaceLog
}
