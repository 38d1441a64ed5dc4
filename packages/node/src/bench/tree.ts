import { createHash } from 'node:crypto'
import type { KeyValue } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { createTree, type MergedIndex, ROOT_ITEM } from '@peerfold/core/tree'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'

export interface TreeResult {
  items: number
  /** Two records for each file: its place and its content. */
  recordsPerSecond: number
  itemsPerSecond: number
  /** Bytes of heap that the open tree holds for each item, its row cache included; run Node with `--expose-gc`. */
  heapPerItem: number
  /** Microseconds to find an item by its path of three names, in random order. */
  lookup: { median: number; p99: number }
  /** Entries a second when a folder is listed. */
  listedPerSecond: number
}

export interface TreeOptions {
  /** @default 100,000 */
  items?: number
  /** Items in one transaction. @default 5,000 */
  perCommit?: number
  /** Files in one folder. @default 200 */
  perFolder?: number
}

const WRITER = 123_456_789
const ID = 'ab'.repeat(32)

/** A workspace of many files: drafted, scanned, applied, written, then read. The log above it is not part of what is measured. */
export async function benchTree(db: KeyValue, options: TreeOptions = {}): Promise<TreeResult> {
  const { items = 100_000, perCommit = 5000, perFolder = 200 } = options
  const tree = await createTree({ db, workspace: ID, clock: systemClock })
  const contents = Array.from({ length: perCommit }, (_, i) => contentOf(i))
  const before = heap()
  let spent = 0
  for (let first = 0, seq = 1; first < items; first += perCommit, seq++) {
    const count = Math.min(perCommit, items - first)
    const from = systemClock.monotonic()
    await commitFiles(tree, db, { first, count, perFolder, seq, contents })
    spent += systemClock.monotonic() - from
  }
  const heapPerItem = (heap() - before) / items
  const lookup = await benchLookups(tree, items, perFolder)
  const listedPerSecond = await benchListing(tree)
  await tree.close()
  const itemsPerSecond = items / (spent / 1000)
  return { items, recordsPerSecond: 2 * itemsPerSecond, itemsPerSecond, heapPerItem, lookup, listedPerSecond }
}

function heap(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

function pathOf(index: number, perFolder: number): [string, string, string] {
  const folder = Math.floor(index / perFolder)
  return [`area-${Math.floor(folder / 50)}`, `folder-${folder}`, `file-${index}.txt`]
}

interface Batch {
  first: number
  count: number
  perFolder: number
  seq: number
  contents: Array<ReturnType<typeof contentOf>>
}

async function commitFiles(tree: MergedIndex, db: KeyValue, batch: Batch): Promise<void> {
  const { first, count, perFolder, seq, contents } = batch
  const past = {
    covers: (writer: number, at: number) => writer === WRITER && at < seq,
    aliases: (writer: number) => [writer],
  }
  const tx = tree.begin(past, seq, seq, WRITER)
  for (let i = first; i < first + count; i++) {
    const [area, folder, name] = pathOf(i, perFolder)
    const above = await tx.makeFolder(ROOT_ITEM, area)
    const parent = await tx.makeFolder(above.item, folder)
    const meta = { mtime: 0, type: 'file' as const, executable: false }
    await tx.makeFile(parent.item, name, contents[i - first]!, meta)
  }
  const draft = await tx.draft()
  const commit = {
    ...FRAME,
    id: seq.toString(16).padStart(64, '0'),
    seq,
    stamp: seq,
    updates: draft!.updates,
  }
  const rows: Parameters<MergedIndex['apply']>[2] = []
  await tree.check(commit, past)
  await tree.apply(commit, past, rows)
  await db.batch(rows)
  tree.applied(commit)
}

const FRAME = {
  feed: ID,
  signedFeed: ID,
  writer: WRITER,
  signedWriter: WRITER,
  device: ID,
  user: ID,
  prev: undefined,
  epoch: ID,
  deps: [],
  time: 0,
  claimedTime: 0,
  operations: [],
  tenure: undefined,
  aclHeads: [],
  identityHeads: [],
}

async function benchLookups(
  tree: MergedIndex,
  items: number,
  perFolder: number,
): Promise<TreeResult['lookup']> {
  const times: number[] = []
  for (let i = 0; i < 2000; i++) {
    const path = pathOf((i * 48_271) % items, perFolder)
    const from = systemClock.monotonic()
    if ((await tree.lookup(path)) === undefined) throw new Error(`${path.join('/')} is missing`)
    times.push((systemClock.monotonic() - from) * 1000)
  }
  times.sort((a, b) => a - b)
  return { median: times[1000]!, p99: times[1980]! }
}

async function benchListing(tree: MergedIndex): Promise<number> {
  const area = (await tree.lookup(['area-0']))!
  let count = 0
  const from = systemClock.monotonic()
  for await (const folder of tree.children(area.item)) {
    for await (const entry of tree.children(folder.item)) if (entry.kind === 'file') count++
  }
  return count / ((systemClock.monotonic() - from) / 1000)
}

function contentOf(index: number) {
  const hash = (what: string) => new Uint8Array(createHash('sha256').update(`${what} ${index}`).digest())
  const root = CID.createV1(raw.code, Digest.create(sha256.code, hash('root')))
  return { root, key: hash('key'), plain: hash('plain'), size: 1000 }
}
