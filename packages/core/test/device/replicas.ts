import { expect } from 'vitest'
import type { Peerfold } from '../../src/api.js'
import { readContent } from '../../src/content/read-content.js'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { concatBytes, fromUtf8, toHex } from '../../src/encoding/bytes.js'
import { isPeerfoldError } from '../../src/errors.js'
import { systemClock } from '../../src/platform/system-clock.js'
import { copyIndex, type MemoryHome, type TestPeers } from '../../src/testing/test-peers.js'
import { createTree, type MergedIndex } from '../../src/tree/tree.js'
import { type FileVersion, ROOT_ITEM, type TreeEntry } from '../../src/tree/types.js'

const crypto = createWebCrypto()

/** Everything that a replica of a workspace says, in one value that can be compared. */
export interface Replica {
  /** By shown path: files with all of their heads, read from the blocks that are here. */
  tree: Record<
    string,
    { item: string; kind: string; ghost: boolean; heads: Array<{ id: string; text: string }> }
  >
  /** Every version of every item, by id. */
  versions: Record<string, { item: string; basedOn: string[]; mtime: number; plain: string }>
  conflicts: string[]
  removed: string[]
  stats: unknown
}

/** Reads a replica from its stores alone: whatever the device says, this is what it has. */
export async function readReplica(home: MemoryHome, workspace: string): Promise<Replica> {
  const tree = await openTree(home, workspace)
  try {
    const replica: Replica = { tree: {}, versions: {}, conflicts: [], removed: [], stats: await tree.stats() }
    for await (const { path, entry } of walk(tree)) {
      const { item, kind, ghost } = entry
      const heads = await Promise.all(
        entry.heads.map(async (head) => ({ id: head.id, text: await textOf(home, workspace, head) })),
      )
      replica.tree[path] = { item, kind, ghost, heads }
    }
    const versions = await collect(tree.allVersions())
    for (const { id, item, basedOn, mtime, content } of versions.sort((a, b) => (a.id < b.id ? -1 : 1)))
      replica.versions[id] = { item, basedOn: [...basedOn].sort(), mtime, plain: toHex(content.plain) }
    replica.conflicts = (await collect(tree.conflicts())).map(({ item }) => item).sort()
    replica.removed = (await collect(tree.removed()))
      .map(({ item, path }) => `${item} ${path.join('/')}`)
      .sort()
    return replica
  } finally {
    await tree.close()
  }
}

/** Versions of files below (or at) a path that this replica has, live or superseded. */
export async function versionsOf(home: MemoryHome, workspace: string): Promise<Map<string, FileVersion[]>> {
  const tree = await openTree(home, workspace)
  try {
    const byItem = new Map<string, FileVersion[]>()
    for await (const { item, ...version } of tree.allVersions())
      byItem.set(item, [...(byItem.get(item) ?? []), version])
    return byItem
  } finally {
    await tree.close()
  }
}

/** Over a copy of the index as it is now: the device may be writing to it. */
async function openTree(home: MemoryHome, workspace: string): Promise<MergedIndex> {
  const db = await copyIndex(home.stores(workspace).index)
  return createTree({ db, workspace, clock: systemClock })
}

async function* walk(tree: MergedIndex): AsyncGenerator<{ path: string; entry: TreeEntry }> {
  const open = [{ item: ROOT_ITEM, path: '' }]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for await (const entry of tree.children(at.item)) {
      const path = at.path === '' ? entry.name : `${at.path}/${entry.name}`
      yield { path, entry }
      if (entry.kind === 'folder') open.push({ item: entry.item, path })
    }
  }
}

/** The head's content from the blocks in this home; a block that is not there shows as such. */
async function textOf(home: MemoryHome, workspace: string, { content }: FileVersion): Promise<string> {
  const source = home.stores(workspace).blocks
  try {
    const pieces = await collect(readContent(content, { source, crypto }))
    return content.size > 1000 ? toHex(content.plain) : fromUtf8(concatBytes(...pieces))
  } catch (error) {
    if (isPeerfoldError(error, 'BLOCK_NOT_FOUND')) return 'block not found'
    throw error
  }
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of source) all.push(value)
  return all
}

export interface WaitOptions {
  /** Milliseconds. @default 20000 */
  within?: number
}

/** Waits for a condition, looking again and again; `what` says what was waited for. */
export async function waitUntil(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { within = 20_000 }: WaitOptions = {},
): Promise<void> {
  const until = systemClock.monotonic() + within
  while (!(await holds())) {
    if (systemClock.monotonic() > until) throw new Error(`waited ${within} ms in vain: ${what}`)
    await systemClock.sleep(10)
  }
}

/** Waits until the devices show the same, blocks and all, and returns it. `indices` default to all. */
export async function expectConverged(
  peers: TestPeers,
  workspace: string,
  indices: readonly number[] = [...peers.devices.keys()],
): Promise<Replica> {
  const read = () => Promise.all(indices.map((index) => readReplica(peers.homeOf(index), workspace)))
  let replicas: Replica[] = []
  await waitUntil('replicas are the same', async () => {
    replicas = await read()
    const [first, ...others] = replicas.map((replica) => JSON.stringify(replica))
    return others.every((other) => other === first) && !first?.includes('block not found')
  }).catch(() => {
    // What differs says more.
  })
  const [first, ...others] = replicas as [Replica, ...Replica[]]
  for (const other of others) expect(other).toEqual(first)
  expect(Object.entries(first.tree).filter(([, { heads }]) => heads.some(isLacking))).toEqual([])
  return first
}

function isLacking({ text }: { text: string }): boolean {
  return text === 'block not found'
}

/** Groups of devices, by index, that reach each other and nobody else. */
export function partition(peers: TestPeers, ...groups: number[][]): void {
  peers.hub.partition(groups.map((group) => group.map((index) => peerOf(peers.devices[index]))))
}

export function peerOf(device: Peerfold | undefined): string {
  if (device === undefined) throw new Error('no such device')
  return device.device.peer
}

/** File paths with the texts of their heads. */
export function textsOf({ tree }: Replica): Record<string, string[]> {
  const files = Object.entries(tree).filter(([, { kind }]) => kind === 'file')
  return Object.fromEntries(files.map(([path, { heads }]) => [path, heads.map(({ text }) => text)]))
}
