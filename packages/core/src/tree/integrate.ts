import type { ItemId } from '../ports/ids.js'
import { resolveNames } from './integrate-names.js'
import { resolveParents } from './integrate-parents.js'
import { isFolder, RECOVERED } from './item-id.js'
import {
  compareNameStamps,
  deletions,
  distinctHeads,
  edgeOf,
  emptyState,
  isLive,
  type Label,
  labelOf,
  recoveredState,
} from './item-state.js'
import { covers } from './ordinals.js'
import type { RowDraft } from './row-view.js'
import {
  type Content,
  type ItemState,
  keys,
  type Member,
  type Meta,
  type Ordinal,
  type Place,
  restOf,
} from './rows.js'
import { ROOT_ITEM } from './types.js'

/** Live records of one item after a change. */
export interface Heads {
  places: Place[]
  contents: Content[]
}

/** Where the rows of children say that an item is. */
interface Attachment extends Label {
  parent: ItemId | ''
  live: boolean
}

/** An item at work: `now` is changed in place, `before` stays. */
export interface Work {
  item: ItemId
  before: ItemState | undefined
  now: ItemState
  attached: Attachment
  /** Deletions that children were last told of. */
  told: readonly Ordinal[]
}

/**
 * Brings the index from one set of live records to the next, touching only what that changes. The outcome is that of `foldTree` over
 * all live records, which is the definition (PROTOCOL.md §5.5); tests compare the two after every step.
 */
export async function integrate(
  rows: RowDraft,
  meta: Meta,
  changes: ReadonlyMap<ItemId, Heads>,
): Promise<void> {
  const fold = new Integration(rows, meta)
  await fold.run(changes)
}

export class Integration {
  readonly #work = new Map<ItemId, Work>()
  /** Groups of siblings with one record name whose live members changed, as `parent/name`. */
  readonly #groups = new Set<string>()
  /** Items whose fate may have changed; one that comes again is looked at again. */
  readonly #queue = new Set<ItemId>()

  constructor(
    readonly rows: RowDraft,
    readonly meta: Meta,
  ) {}

  async run(changes: ReadonlyMap<ItemId, Heads>): Promise<void> {
    const unsettled = await this.#takeHeads(changes)
    await resolveParents(this, unsettled)
    for (const item of unsettled) this.#queue.add(item)
    await this.#settleDeaths()
    await resolveNames(this, this.#groups)
    for (const work of this.#work.values()) await this.#finish(work)
  }

  /** Items whose parent has to be found again. */
  async #takeHeads(changes: ReadonlyMap<ItemId, Heads>): Promise<Set<ItemId>> {
    const unsettled = new Set<ItemId>()
    for (const [item, heads] of changes) {
      const { now } = await this.load(item)
      const placed = now.places.length > 0
      now.places = heads.places
      now.contents = heads.contents
      unsettled.add(item)
      if (placed === heads.places.length > 0 || !isFolder(item)) continue
      const others = placed ? await this.children(item) : await this.#waiting(item)
      for (const other of others) unsettled.add(other)
    }
    return unsettled
  }

  async #waiting(parent: ItemId): Promise<ItemId[]> {
    const waiting: ItemId[] = []
    if (this.meta.waiting === 0) return waiting
    for await (const [key] of this.rows.range(keys.waiting(parent))) waiting.push(restOf(key))
    return waiting
  }

  /** The root is not a state of its own: callers ask before. */
  async load(item: ItemId): Promise<Work> {
    const known = this.#work.get(item)
    if (known) return known
    const before = await this.rows.get(keys.item(item))
    const now = before ? { ...before } : item === RECOVERED ? recoveredState() : emptyState()
    const attached = before
      ? attachment(item, before)
      : { parent: '' as const, live: false, name: '', counter: 0, writer: 0 }
    const work = { item, before, now, attached, told: before ? toldBy(before) : [] }
    this.#work.set(item, work)
    return work
  }

  /** All that lie in a folder, dead ones too. */
  async children(parent: ItemId): Promise<ItemId[]> {
    const children: ItemId[] = []
    for await (const [, members] of this.rows.range(keys.members(parent))) {
      for (const { item } of members) children.push(item)
    }
    for await (const [key] of this.rows.range(keys.dead(parent))) children.push(restOf(key))
    return children
  }

  /** Moves an item to another parent, its subtree with it. */
  async settle(item: ItemId, parent: ItemId | '', displaced: boolean): Promise<void> {
    const work = await this.load(item)
    const moved = work.now.parent !== parent || work.now.displaced !== displaced
    this.#countDisplaced(work.now, item, displaced)
    work.now.parent = parent
    await this.#attach(work)
    if (moved) this.#queue.add(item)
  }

  #countDisplaced(now: ItemState, item: ItemId, displaced: boolean): void {
    if (now.displaced === displaced) return
    now.displaced = displaced
    this.meta.displaced += displaced ? 1 : -1
    if (displaced) this.rows.put(keys.displaced(item), true)
    else this.rows.delete(keys.displaced(item), true)
  }

  /** Brings the rows of children in line with what the item is now, and counts up the tree. */
  async #attach(work: Work): Promise<void> {
    const from = work.attached
    const to = attachment(work.item, work.now)
    if (sameAttachment(from, to)) return
    work.attached = to
    if (from.parent !== '') await this.#leave(work, from as Attachment & { parent: ItemId })
    if (to.parent !== '') await this.#enter(work.item, to as Attachment & { parent: ItemId })
    const before = from.live ? from.parent : ''
    const after = to.live ? to.parent : ''
    if (before === after) return
    if (before !== '') await this.#count(before, -1)
    if (after !== '') await this.#count(after, 1)
  }

  async #leave(work: Work, from: Attachment & { parent: ItemId }): Promise<void> {
    if (!from.live) return this.rows.delete(keys.dead(from.parent, work.item), true)
    const key = keys.members(from.parent, from.name)
    const members = (await this.rows.get(key)) ?? []
    const others = members.filter(({ item }) => item !== work.item)
    if (others.length > 0) this.rows.put(key, others, members)
    else this.rows.delete(key, members)
    this.show(work, from.parent, '')
    this.#groups.add(`${from.parent}/${from.name}`)
  }

  async #enter(item: ItemId, to: Attachment & { parent: ItemId }): Promise<void> {
    if (!to.live) return this.rows.put(keys.dead(to.parent, item), true)
    const key = keys.members(to.parent, to.name)
    const members = await this.rows.get(key)
    const member: Member = { item, counter: to.counter, writer: to.writer }
    this.rows.put(key, [...(members ?? []), member].sort(compareMembers), members)
    this.#groups.add(`${to.parent}/${to.name}`)
  }

  async #count(parent: ItemId, change: number): Promise<void> {
    if (parent === ROOT_ITEM) return
    const work = await this.load(parent)
    if (parent === RECOVERED) work.now.parent = ROOT_ITEM
    work.now.kids += change
    await this.#attach(work)
  }

  /** The name that an item shows where it is not its own. */
  show(work: Work, parent: ItemId, shown: string): void {
    const before = work.now.shown
    if (before === shown) return
    if (before !== '') this.rows.delete(keys.suffixed(parent, before), work.item)
    if (shown !== '') this.rows.put(keys.suffixed(parent, shown), work.item)
    this.meta.suffixed += (shown === '' ? 0 : 1) - (before === '' ? 0 : 1)
    work.now.shown = shown
  }

  /** Deletions reach down the tree as long as what they say changes. */
  async #settleDeaths(): Promise<void> {
    for (const item of this.#queue) {
      this.#queue.delete(item)
      const work = await this.load(item)
      await this.#judge(work)
      await this.#attach(work)
      const tell = toldBy(work.now)
      if (sameOrdinals(tell, work.told)) continue
      work.told = tell
      for (const child of await this.children(item)) this.#queue.add(child)
    }
  }

  /** Rules 3 and 4: whether deletions of its own or from above end it. */
  async #judge({ item, now }: Work): Promise<void> {
    if (item === RECOVERED) return
    now.inherited = await this.#inherit(now)
    const own = deletions(now).map(({ ordinal }) => ordinal)
    now.removed = own.length > 0 && (await this.#allSeen(now.contents, own))
    const reached = now.inherited.length > 0 && (await this.#allSeen(now.contents, now.inherited))
    now.dead = now.removed || reached
  }

  async #inherit(now: ItemState): Promise<Ordinal[]> {
    const edge = edgeOf(now)
    if (now.displaced || edge === undefined || now.parent === '' || now.parent === ROOT_ITEM) return []
    const inherited: Ordinal[] = []
    for (const deletion of (await this.load(now.parent)).told) {
      if (await covers(this.rows, deletion, edge)) inherited.push(deletion)
    }
    return inherited
  }

  /** Whether each of these was seen by one of the deletions. */
  async #allSeen(contents: readonly Content[], by: readonly Ordinal[]): Promise<boolean> {
    for (const { ordinal } of contents) {
      let seen = false
      for (const deletion of by) seen ||= await covers(this.rows, deletion, ordinal)
      if (!seen) return false
    }
    return true
  }

  /** Rows that follow from one item alone. */
  async #finish({ item, before, now }: Work): Promise<void> {
    const { meta, rows } = this
    await this.#listRemoved(item, before?.removedAt ?? 0, now)
    tally(meta, item, before, -1)
    tally(meta, item, now, 1)
    const conflicted = isConflicted(before)
    if (isConflicted(now) && !conflicted) rows.put(keys.conflict(item), true)
    if (!isConflicted(now) && conflicted) rows.delete(keys.conflict(item), true)
    if (before !== undefined && sameState(before, now)) return
    const known = now.places.length > 0 || now.contents.length > 0 || item === RECOVERED
    // A purged item is remembered, so that its id is never given again; one that its own transaction took back never was.
    if (known || (before && rows.existed(keys.item(item)))) rows.put(keys.item(item), now, before)
    else if (before) rows.delete(keys.item(item), before)
  }

  async #listRemoved(item: ItemId, listed: number, now: ItemState): Promise<void> {
    now.removedAt = await this.#timeOfDeath(now)
    if (now.removedAt === listed) return
    if (listed > 0) this.rows.delete(keys.removed(listed, item), true)
    if (now.removedAt > 0) this.rows.put(keys.removed(now.removedAt, item), true)
  }

  async #timeOfDeath(now: ItemState): Promise<number> {
    const live: boolean = isLive(now)
    if (live || now.places.length === 0 || now.parent === '') return 0
    const killers = now.removed ? deletions(now).map(({ ordinal }) => ordinal) : now.inherited
    let time = 1
    for (const ordinal of killers) time = Math.max(time, (await this.rows.get(keys.commit(ordinal)))!.time)
    return time
  }
}

function attachment(item: ItemId, state: ItemState): Attachment {
  return { parent: state.parent, live: isLive(state), ...labelOf(item, state) }
}

function sameAttachment(a: Attachment, b: Attachment): boolean {
  if (a.parent !== b.parent || a.live !== b.live) return false
  return !a.live || (a.name === b.name && compareNameStamps(a, b) === 0)
}

function compareMembers(a: Member, b: Member): number {
  return compareNameStamps(a, b) || (a.item < b.item ? -1 : 1)
}

/** Deletions that reach an item's children: those from above, and its own where they took effect. */
function toldBy(state: ItemState): Ordinal[] {
  if (!state.removed) return state.inherited
  const all = new Set([...state.inherited, ...deletions(state).map(({ ordinal }) => ordinal)])
  return [...all].sort((a, b) => a - b)
}

function sameOrdinals(a: readonly Ordinal[], b: readonly Ordinal[]): boolean {
  return a.length === b.length && a.every((ordinal, i) => ordinal === b[i])
}

function sameState(a: ItemState, b: ItemState): boolean {
  if (a.places !== b.places || a.contents !== b.contents || a.parent !== b.parent) return false
  if (a.displaced !== b.displaced || a.removed !== b.removed || a.dead !== b.dead) return false
  if (a.kids !== b.kids || a.shown !== b.shown || a.removedAt !== b.removedAt || a.waits !== b.waits)
    return false
  return sameOrdinals(a.inherited, b.inherited)
}

function isConflicted(state: ItemState | undefined): boolean {
  return isLive(state) && state.contents.length > 1 && distinctHeads(state.contents).length > 1
}

function tally(meta: Meta, item: ItemId, state: ItemState | undefined, sign: 1 | -1): void {
  if (!isLive(state)) return
  if (isFolder(item)) {
    meta.folders += sign
    return
  }
  meta.files += sign
  meta.bytes += sign * (state.contents[0]?.content.size ?? 0)
  if (isConflicted(state)) meta.conflicts += sign
}
