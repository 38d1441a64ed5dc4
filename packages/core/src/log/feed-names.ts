import { fromHex, toHex, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { CommitId, FeedId, WorkspaceId, WriterId } from '../ports/ids.js'

const FORK = toUtf8('peerfold/1/fork\0')

/** Name of a feed: the hash of its public key. */
export function feedIdOf(feedKey: Uint8Array): FeedId {
  return toHex(sha256Now(feedKey))
}

/** Name of a branch that left `feed` with commit `first` (PROTOCOL.md §4.6). */
export function branchIdOf(feed: FeedId, first: CommitId): FeedId {
  return toHex(sha256Now(FORK, fromHex(feed), fromHex(first)))
}

/** The highest 53 bits of SHA-256(workspace ‖ feed): the Yjs clientID that the feed's records live under (PROTOCOL.md §4.5). */
export function writerIdOf(workspace: WorkspaceId, feed: FeedId): WriterId {
  const hash = sha256Now(fromHex(workspace), fromHex(feed))
  const view = new DataView(hash.buffer, hash.byteOffset)
  return view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11)
}
