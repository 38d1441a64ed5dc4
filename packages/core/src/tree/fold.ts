import type { ItemId, WriterId } from '../ports/ids.js'
import { isFolder, RECOVERED, TRASH } from './item-id.js'
import { suffixedName } from './names.js'
import type { ContentRecord, PlaceRecord, RecordRef } from './record.js'
import { ROOT_ITEM } from './types.js'

/**
 * The fold: which tree a set of live records stands for (PROTOCOL.md §5.5). This is the definition, written to be read: it looks at all records
 * at once and knows no index. `integrate` reaches the same outcome step by step, and is what runs.
 */
export interface LiveRecord<R> extends RecordRef {
  record: R
}

export interface FoldedItem {
  item: ItemId
  parent: ItemId
  name: string
  recordName: string
  ghost: boolean
  displaced: boolean
  /** Live heads, primary first, equal content once. */
  heads: RecordRef[]
}

/**
 * @param covers whether a record lies in the causal past of the commit that wrote `deletion`; both belong to items as given
 */
export function foldTree(
  records: Iterable<LiveRecord<PlaceRecord | ContentRecord>>,
  covers: (deletion: { item: ItemId } & RecordRef, earlier: { item: ItemId } & RecordRef) => boolean,
): Map<ItemId, FoldedItem> {
  const nodes = collect(records)
  chooseParents(nodes)
  const tree = new Map<ItemId, FoldedItem>()
  const children = groupBy(nodes.values(), parentOf)
  const root = { deletions: [], children, covers, tree }
  grow(root, ROOT_ITEM)
  growRecovered(root)
  giveNames(tree, nodes)
  return tree
}

type Place = LiveRecord<PlaceRecord>
type Content = LiveRecord<ContentRecord>

interface Node {
  item: ItemId
  places: Place[]
  contents: Content[]
  candidates: Array<{ parent: ItemId; place: Place }>
  at: number
}

function collect(records: Iterable<LiveRecord<PlaceRecord | ContentRecord>>): Map<ItemId, Node> {
  const nodes = new Map<ItemId, Node>()
  for (const live of records) {
    const { item, type } = live.record
    const node = nodes.get(item) ?? { item, places: [], contents: [], candidates: [], at: 0 }
    nodes.set(item, node)
    if (type === 'p') node.places.push(live as Place)
    else node.contents.push(live as Content)
  }
  for (const node of nodes.values()) {
    node.places.sort(byStamp)
    node.contents.sort(byStamp)
  }
  return nodes
}

function byStamp(a: Place | Content, b: Place | Content): number {
  return b.record.stamp - a.record.stamp || b.writer - a.writer || b.clock - a.clock
}

const isDeletion = (place: Place) => place.record.parent === TRASH

/** Rule 1. */
function winner({ places }: Node): Place | undefined {
  return places.find((place) => !isDeletion(place)) ?? places[0]
}

function ownDeletions(node: Node): Place[] {
  const first = winner(node)
  return first && isDeletion(first) ? node.places : []
}

/** Rules 1 and 2. */
function chooseParents(nodes: Map<ItemId, Node>): void {
  for (const node of nodes.values()) node.candidates = candidatesOf(node, nodes)
  for (let cycle = findCycle(nodes); cycle; cycle = findCycle(nodes)) {
    cycle.sort(
      (a, b) => byStamp(a.candidates[a.at]!.place, b.candidates[b.at]!.place) || (a.item > b.item ? -1 : 1),
    )
    cycle[0]!.at++
  }
}

function candidatesOf(node: Node, nodes: Map<ItemId, Node>): Node['candidates'] {
  const first = winner(node)
  if (first === undefined) return []
  const living = node.places.filter((place) => !isDeletion(place))
  const wanted = [
    ...living.map((place) => ({ parent: place.record.parent, place })),
    ...(living.length > 0 ? living : node.places).map((place) => ({ parent: place.record.previous, place })),
  ]
  const exists = (parent: ItemId) => parent === ROOT_ITEM || (nodes.get(parent)?.places.length ?? 0) > 0
  const possible = wanted.filter(({ parent }) => parent !== node.item && exists(parent))
  return [...possible, { parent: ROOT_ITEM, place: first }]
}

function parentOf(node: Node): ItemId {
  return node.candidates[node.at]?.parent ?? RECOVERED
}

function findCycle(nodes: Map<ItemId, Node>): Node[] | undefined {
  for (const start of nodes.values()) {
    const path: Node[] = []
    for (
      let node = nodes.get(start.item);
      node && path.length <= nodes.size;
      node = nodes.get(parentOf(node))
    ) {
      const seen = path.indexOf(node)
      if (seen >= 0) return path.slice(seen)
      path.push(node)
    }
  }
  return undefined
}

interface Walk {
  /** Deletions made above that cover all that is passed on the way down. */
  deletions: Array<{ item: ItemId } & RecordRef>
  children: Map<ItemId, Node[]>
  covers: Parameters<typeof foldTree>[1]
  tree: Map<ItemId, FoldedItem>
}

/** Rules 3 and 4. Returns whether anything below `parent` lives. */
function grow(walk: Walk, parent: ItemId): boolean {
  let alive = false
  for (const node of walk.children.get(parent) ?? []) alive = growItem(walk, node) || alive
  return alive
}

function growItem(walk: Walk, node: Node): boolean {
  const { item } = node
  const inherited =
    node.at > 0 ? [] : walk.deletions.filter((deletion) => walk.covers(deletion, edgeOf(node)))
  const own = ownDeletions(node).map(({ writer, clock }) => ({ item, writer, clock }))
  const seenBy = (deletions: Walk['deletions']) =>
    deletions.length > 0 &&
    node.contents.every((content) =>
      deletions.some((deletion) =>
        walk.covers(deletion, { item, writer: content.writer, clock: content.clock }),
      ),
    )
  const removed = seenBy(own)
  const dead = removed || seenBy(inherited)
  const below = grow({ ...walk, deletions: removed ? [...inherited, ...own] : inherited }, item)
  if (dead && !below) return false
  walk.tree.set(item, show(node, parentOf(node), dead))
  return true
}

/** The placement that holds it where it is: a deletion speaks of the one that it removed. */
function edgeOf(node: Node): { item: ItemId } & RecordRef {
  const place = winner(node)!
  const { writer, clock } = place.record.removed ?? place
  return { item: node.item, writer, clock }
}

/** Content without placement. */
function growRecovered(walk: Walk): void {
  if (!grow(walk, RECOVERED)) return
  walk.tree.set(RECOVERED, {
    item: RECOVERED,
    parent: ROOT_ITEM,
    name: '',
    recordName: 'Recovered',
    ghost: true,
    displaced: false,
    heads: [],
  })
}

function show(node: Node, parent: ItemId, ghost: boolean): FoldedItem {
  const recordName = winner(node)?.record.name ?? node.contents[0]!.record.name
  const heads = isFolder(node.item) ? [] : distinct(node.contents)
  return { item: node.item, parent, name: '', recordName, ghost, displaced: node.at > 0, heads }
}

/** Rule 6. */
function distinct(contents: readonly Content[]): RecordRef[] {
  const firsts = contents.filter(
    ({ record }, i) =>
      contents.findIndex((other) => other.record.content.plain === record.content.plain) === i,
  )
  return firsts.map(({ writer, clock }) => ({ writer, clock }))
}

/** Rule 5. */
function giveNames(tree: Map<ItemId, FoldedItem>, nodes: Map<ItemId, Node>): void {
  for (const siblings of groupBy(tree.values(), ({ parent }) => parent).values()) {
    const taken = new Set(siblings.map(({ recordName }) => recordName))
    for (const group of groupBy(siblings, ({ recordName }) => recordName).values()) {
      group.sort(
        (a, b) =>
          compareNaming(namingOf(a.item, nodes), namingOf(b.item, nodes)) || (a.item < b.item ? -1 : 1),
      )
      for (const [i, folded] of group.entries())
        folded.name = i === 0 ? folded.recordName : suffix(folded, group, taken)
    }
  }
}

function suffix(
  { item, recordName }: FoldedItem,
  group: readonly FoldedItem[],
  taken: ReadonlySet<string>,
): string {
  const alike = group.some((other) => other.item !== item && other.item.slice(0, 8) === item.slice(0, 8))
  for (let step = alike ? 1 : 0; ; step++) {
    const name = suffixedName(recordName, item, step)
    if (name !== undefined && !taken.has(name)) return name
  }
}

type Naming = { counter: number; writer: WriterId }

function namingOf(item: ItemId, nodes: Map<ItemId, Node>): Naming {
  const node = nodes.get(item)
  if (node === undefined) return { counter: Number.MAX_SAFE_INTEGER, writer: Number.MAX_SAFE_INTEGER }
  const place = winner(node)
  if (place === undefined)
    return { counter: node.contents[0]!.record.stamp, writer: node.contents[0]!.writer }
  const agreeing = node.places.filter(
    ({ record }) => record.parent === place.record.parent && record.name === place.record.name,
  )
  const namings = agreeing.map(({ writer, record }) => record.named ?? { counter: record.stamp, writer })
  return namings.sort(compareNaming)[0]!
}

function compareNaming(a: Naming, b: Naming): number {
  return a.counter - b.counter || a.writer - b.writer
}

function groupBy<T, K>(values: Iterable<T>, keyOf: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const value of values) {
    const group = groups.get(keyOf(value))
    if (group) group.push(value)
    else groups.set(keyOf(value), [value])
  }
  return groups
}
