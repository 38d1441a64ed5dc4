import type { ContentRef } from '../content/types.js'
import { PeerfoldError } from '../errors.js'
import type { CommitDraft } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { ItemId, RecordId, WorkspaceId, WriterId } from '../ports/ids.js'
import { headsAfter } from './apply.js'
import { readEntry } from './entry.js'
import { type Heads, integrate } from './integrate.js'
import { deriveItemId, isFolder, kindOf, RECOVERED, TRASH } from './item-id.js'
import { isContested, isGhost, isLive, labelOf, winner } from './item-state.js'
import { checkName, MAX_DEPTH, MAX_PATH_BYTES, utf8Length } from './names.js'
import { findChild, findNames, findPath, listNames } from './reads.js'
import { compareRefs, type PlaceRecord, packContent, packMeta } from './record.js'
import type { RowDraft } from './row-view.js'
import { type Content, type ItemState, keys, type Meta, restOf } from './rows.js'
import type { FoundRef, ItemChange } from './scan.js'
import { Slots } from './slots.js'
import { findSuperseded } from './superseded.js'
import { type FileMeta, type ItemKind, ROOT_ITEM, type TreeEntry, type TreeTransaction } from './types.js'

export interface TransactionInit {
  rows: RowDraft
  meta: Meta
  workspace: WorkspaceId
  shards: number
  stamp: number
  writer: WriterId
  /** Told of each draft. */
  drafted(draft: CommitDraft): void
}

type Changes = Map<ItemId, ItemChange>

/**
 * The write side of the tree. Each operation changes records that are pending and brings the index along at once, in rows of the
 * transaction's own: so it reads its own writes, by the same fold that everyone applies later. For each item there is at most one pending
 * placement and one pending content; what a later operation says replaces what an earlier one said.
 */
export class Transaction implements TreeTransaction {
  readonly rows: RowDraft
  readonly meta: Meta
  readonly #init: TransactionInit
  readonly #slots: Slots
  readonly #pending: Changes = new Map()
  /** Depth and length of folders' paths, until a folder moves. */
  readonly #lengths = new Map<ItemId, { depth: number; bytes: number }>()

  constructor(init: TransactionInit) {
    this.#init = init
    this.rows = init.rows
    this.meta = init.meta
    this.#slots = new Slots(init.rows, init.shards, init.writer)
  }

  entry(item: ItemId): Promise<TreeEntry | undefined> {
    return readEntry(this.rows, this.#init.shards, item)
  }

  async lookup(path: readonly string[]): Promise<TreeEntry | undefined> {
    const item = await findPath(this.rows, path)
    return item === undefined ? undefined : this.entry(item)
  }

  async child(parent: ItemId, name: string): Promise<TreeEntry | undefined> {
    const item = await findChild(this.rows, parent, name)
    return item === undefined ? undefined : this.entry(item)
  }

  /** The children that are there when reading begins; those that the loop removes meanwhile are left out. */
  async *children(parent: ItemId, options?: AbortOptions): AsyncIterable<TreeEntry> {
    const listed: ItemId[] = []
    for await (const [, item] of listNames(this.rows, parent, options)) listed.push(item)
    for (const item of listed) {
      options?.signal?.throwIfAborted()
      const entry = await this.entry(item)
      if (entry) yield entry
    }
  }

  path(item: ItemId, options?: AbortOptions): Promise<string[] | undefined> {
    return findNames(this.rows, item, { ...options, live: true })
  }

  async makeFolder(parent: ItemId, name: string): Promise<TreeEntry> {
    await this.#checkPlace(parent, name)
    const there = await findChild(this.rows, parent, name)
    if (there !== undefined && isFolder(there)) return this.#shown(there)
    if (there !== undefined) throw exists(name)
    return this.#make(await this.#newItem(parent, name, 'folder'), parent, name)
  }

  async makeFile(parent: ItemId, name: string, content: ContentRef, meta: FileMeta): Promise<TreeEntry> {
    await this.#checkPlace(parent, name)
    if ((await findChild(this.rows, parent, name)) !== undefined) throw exists(name)
    const packed = { content: packContent(content), ...packMeta(meta) }
    return this.#make(await this.#newItem(parent, name, 'file'), parent, name, packed)
  }

  async #make(item: ItemId, parent: ItemId, name: string, content?: FileContent): Promise<TreeEntry> {
    const place = await this.#place(item, { parent, name, previous: ROOT_ITEM })
    const change: ItemChange = { place }
    if (content) change.content = await this.#content(item, content, parent, name, [], [])
    const changes: Changes = new Map([[item, change]])
    await this.#holdAncestors(parent, changes)
    await this.#change(changes)
    return this.#shown(item)
  }

  async writeFile(
    item: ItemId,
    content: ContentRef,
    meta: FileMeta,
    basedOn?: readonly RecordId[],
  ): Promise<TreeEntry> {
    if (isFolder(item)) throw new PeerfoldError('NOT_A_FILE', 'a folder has no content')
    const state = await this.#known(item)
    const packed = { content: packContent(content), ...packMeta(meta) }
    const heads = (await this.#base(item))?.contents ?? []
    const pending = this.#pending.get(item)
    const { over, base } = await findSuperseded(this.rows, this.#init.shards, item, heads, basedOn, pending)
    const parent = state.parent === RECOVERED || state.parent === '' ? ROOT_ITEM : state.parent
    const next = await this.#content(item, packed, parent, labelOf(item, state).name, over, base)
    const changes: Changes = new Map([[item, { ...pending, content: next }]])
    // A file that was removed comes back where it was.
    if (!isLive(state)) changes.get(item)!.place = await this.#stay(item, state)
    await this.#change(changes)
    return this.#shown(item)
  }

  async move(item: ItemId, parent: ItemId, name: string): Promise<TreeEntry> {
    const state = await this.#movable(item)
    await this.#checkPlace(parent, name)
    const there = await findChild(this.rows, parent, name)
    if (there !== undefined && there !== item) throw exists(name)
    await this.#checkNotBelow(item, parent)
    const changes: Changes = new Map()
    if (await this.#isAt(item, state, parent, name)) return this.#shown(item)
    const previous = state.parent === RECOVERED ? ROOT_ITEM : (state.parent as ItemId)
    const label = labelOf(item, state)
    // Who stays where it is keeps its claim to the name.
    const named = state.parent === parent && label.name === name ? label : undefined
    await this.#revive(item, state, changes)
    changes.set(item, {
      ...this.#pending.get(item),
      place: await this.#place(item, { parent, name, named, previous }),
    })
    await this.#holdAncestors(parent, changes, item)
    await this.#change(changes)
    return this.#shown(item)
  }

  /** Whether it lies there by one undisputed record. */
  async #isAt(item: ItemId, state: ItemState, parent: ItemId, name: string): Promise<boolean> {
    const place = winner(state.places)
    const settled = !state.displaced && !state.dead && place?.parent === parent && !isContested(state)
    return settled && labelOf(item, state).name === name
  }

  async reassert(item: ItemId): Promise<void> {
    const state = await this.#movable(item)
    const changes: Changes = new Map()
    await this.#reassert(item, state, changes)
    if (isFolder(item)) await this.#holdAncestors(state.parent, changes)
    await this.#change(changes)
  }

  async remove(item: ItemId): Promise<void> {
    if (item === RECOVERED) {
      for await (const child of this.children(item)) await this.remove(child.item)
      return
    }
    const state = await this.#movable(item)
    const changes: Changes = new Map()
    if (isFolder(item)) await this.#removeBelow(item, changes)
    if (isFolder(item)) await this.#holdAncestors(state.parent, changes)
    await this.#remove(item, state, changes)
    await this.#change(changes)
  }

  /**
   * Rule 7: what the folder's own deletion would not reach, or not for good: items that concurrent moves left displaced or contested, and what
   * this transaction itself put there.
   */
  async #removeBelow(folder: ItemId, changes: Changes): Promise<void> {
    const open = [folder]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for await (const [, members] of this.rows.range(keys.members(at))) {
        for (const { item } of members) {
          const state = (await this.rows.get(keys.item(item)))!
          if (state.displaced || isContested(state) || this.#pending.has(item))
            await this.#remove(item, state, changes)
          if (isFolder(item)) open.push(item)
        }
      }
    }
  }

  async #remove(item: ItemId, state: ItemState, changes: Changes): Promise<void> {
    const base = await this.#base(item)
    if (base === undefined) {
      changes.set(item, {})
      return
    }
    if (base.places.length === 0) {
      changes.set(item, { purge: await this.#purge(item, base.contents) })
      return
    }
    const before = base.parent === '' ? state : base
    const { writer, clock, ordinal } = winner(base.places)!.removed ?? winner(base.places)!
    const place = await this.#place(item, {
      parent: TRASH,
      name: labelOf(item, before).name,
      named: labelOf(item, before),
      previous: before.parent === RECOVERED ? ROOT_ITEM : (before.parent as ItemId),
      removed: { writer, clock, ordinal },
    })
    changes.set(item, { place })
  }

  /** Places an item where it is, as its name was given. */
  async #reassert(item: ItemId, state: ItemState, changes: Changes): Promise<void> {
    await this.#revive(item, state, changes)
    changes.set(item, { ...this.#pending.get(item), place: await this.#stay(item, state) })
  }

  async #stay(item: ItemId, state: ItemState): Promise<NonNullable<ItemChange['place']>> {
    const parent = state.parent === RECOVERED || state.parent === '' ? ROOT_ITEM : state.parent
    const label = labelOf(item, state)
    return this.#place(item, { parent, name: label.name, named: label, previous: parent })
  }

  /**
   * A ghost that gets a live placement is no longer deleted, and its deletion would no longer reach what it has ended below. So that gets
   * deletions of its own.
   */
  async #revive(item: ItemId, state: ItemState, changes: Changes): Promise<void> {
    if (!isFolder(item) || !isGhost(state)) return
    for await (const [key] of this.rows.range(keys.dead(item))) {
      const child = restOf(key)
      const dead = (await this.rows.get(keys.item(child)))!
      if (!dead.removed && dead.places.length > 0) await this.#remove(child, dead, changes)
    }
    for await (const [, members] of this.rows.range(keys.members(item))) {
      for (const { item: child } of members) {
        const ghost = (await this.rows.get(keys.item(child)))!
        if (!ghost.removed) await this.#revive(child, ghost, changes)
      }
    }
  }

  /**
   * Rule 7: whoever says something about a folder in another means that one to be where it shows. A new record has the highest stamp: where
   * crossing moves had displaced an ancestor, what it is about would yield in the ancestor's stead.
   */
  async #holdAncestors(parent: ItemId | '', changes: Changes, except?: ItemId): Promise<void> {
    if (this.meta.displaced === 0) return
    let at: ItemId | '' = parent
    while (at !== ROOT_ITEM && at !== '') {
      const state: ItemState = (await this.rows.get(keys.item(at)))!
      if (state.displaced && at !== except) await this.#reassert(at, state, changes)
      at = state.parent
    }
  }

  touched(): ItemId[] {
    return [...this.#pending.keys()]
  }

  async draft(): Promise<CommitDraft | undefined> {
    const records = []
    for (const { place, content, purge } of this.#pending.values()) {
      for (const scanned of [place, content, purge]) if (scanned) records.push(scanned)
    }
    const draft = this.#slots.draft(records)
    if (draft) this.#init.drafted(draft)
    return draft
  }

  /** Takes what operations say into the pending records, and the index with them. */
  async #change(changes: Changes): Promise<void> {
    const heads = new Map<ItemId, Heads>()
    for (const [item, change] of changes) {
      this.#giveBack(item, change)
      const says = change.place || change.content || change.purge
      if (says) this.#pending.set(item, change)
      else this.#pending.delete(item)
      const base = await this.#base(item)
      heads.set(item, headsAfter(base, change, this.meta.ordinal, this.#init.writer))
      if (isFolder(item) && (base || !says)) this.#lengths.clear()
    }
    await integrate(this.rows, this.meta, heads)
  }

  #giveBack(item: ItemId, change: ItemChange): void {
    const before = this.#pending.get(item)
    for (const slot of ['place', 'content', 'purge'] as const) {
      if (before?.[slot] && !change[slot]) this.#slots.giveBack(item, before[slot].clock)
    }
  }

  async #place(
    item: ItemId,
    fields: Pick<PlaceRecord, 'parent' | 'name' | 'previous'> & {
      named?: PlaceRecord['named']
      removed?: FoundRef
    },
  ): Promise<NonNullable<ItemChange['place']>> {
    const { stamp, writer } = this.#init
    const over = ((await this.#base(item))?.places ?? []).map(toRef).sort(compareRefs)
    const { parent, name, previous, removed } = fields
    const own = fields.named?.counter === stamp && fields.named.writer === writer
    const named =
      fields.named && !own ? { counter: fields.named.counter, writer: fields.named.writer } : undefined
    const record: PlaceRecord = {
      type: 'p',
      item,
      stamp,
      parent,
      name,
      previous,
      named,
      over: over.map(bare),
      removed: removed && bare(removed),
    }
    const clock = this.#pending.get(item)?.place?.clock ?? (await this.#slots.take(item))
    return { record, clock, over, base: [], removed }
  }

  async #content(
    item: ItemId,
    packed: FileContent,
    parent: ItemId,
    name: string,
    over: FoundRef[],
    base: FoundRef[],
  ): Promise<NonNullable<ItemChange['content']>> {
    const { stamp } = this.#init
    const refs = { over: over.map(bare), base: base.map(bare) }
    const record = { type: 'c' as const, item, stamp, ...packed, ...refs, parent, name }
    const clock = this.#pending.get(item)?.content?.clock ?? (await this.#slots.take(item))
    return { record, clock, over, base, removed: undefined }
  }

  async #purge(item: ItemId, contents: readonly Content[]): Promise<NonNullable<ItemChange['purge']>> {
    const over = contents.map(toRef).sort(compareRefs)
    const record = { type: 'x' as const, item, stamp: this.#init.stamp, over: over.map(bare) }
    return { record, clock: await this.#slots.take(item), over, base: [], removed: undefined }
  }

  /** An item as it was before this transaction. */
  async #base(item: ItemId): Promise<ItemState | undefined> {
    const key = keys.item(item)
    const { before } = this.rows
    return before.rows.has(key) ? (before.rows.get(key) as ItemState | undefined) : this.rows.get(key)
  }

  /** 1 + the highest generation seen: generations follow each other, so doubling and halving finds the end. */
  async #newItem(parent: ItemId, name: string, kind: ItemKind): Promise<ItemId> {
    const idOf = (generation: number) => deriveItemId(this.#init.workspace, parent, name, kind, generation)
    const seen = async (generation: number) =>
      (await this.rows.get(keys.item(idOf(generation)))) !== undefined
    let free = 0
    while (await seen(free)) free = free * 2 + 1
    let taken = Math.floor((free - 1) / 2)
    while (free - taken > 1) {
      const middle = Math.floor((free + taken) / 2)
      if (await seen(middle)) taken = middle
      else free = middle
    }
    return idOf(free)
  }

  async #shown(item: ItemId): Promise<TreeEntry> {
    return (await this.entry(item))!
  }

  async #known(item: ItemId): Promise<ItemState> {
    const state = await this.rows.get(keys.item(item))
    const known = state !== undefined && state.places.length + state.contents.length > 0
    if (!known) throw new PeerfoldError('NOT_FOUND', `no item ${item}`)
    return state
  }

  async #movable(item: ItemId): Promise<ItemState> {
    if (item === ROOT_ITEM || item === RECOVERED) {
      throw new PeerfoldError('INVALID_ARGUMENT', 'this folder is always there')
    }
    const state = await this.#known(item)
    if (!isLive(state)) throw new PeerfoldError('NOT_FOUND', `no item ${item}`)
    return state
  }

  async #checkPlace(parent: ItemId, name: string): Promise<void> {
    checkName(name)
    if (kindOf(parent) === 'file')
      throw new PeerfoldError('NOT_A_FOLDER', `a file has no children: ${parent}`)
    if (parent === RECOVERED) throw new PeerfoldError('INVALID_ARGUMENT', 'nothing can be put into Recovered')
    const { depth, bytes } = await this.#lengthOf(parent)
    if (depth >= MAX_DEPTH || bytes + 1 + utf8Length(name) > MAX_PATH_BYTES) {
      throw new PeerfoldError(
        'PATH_INVALID',
        `a path of more than ${MAX_DEPTH} names or ${MAX_PATH_BYTES} bytes`,
      )
    }
  }

  async #lengthOf(folder: ItemId): Promise<{ depth: number; bytes: number }> {
    const known = this.#lengths.get(folder)
    if (known) return known
    const names = await findNames(this.rows, folder, { live: true })
    if (names === undefined) throw new PeerfoldError('NOT_FOUND', `no folder ${folder}`)
    const length = { depth: names.length, bytes: utf8Length(names.join('/')) }
    this.#lengths.set(folder, length)
    return length
  }

  async #checkNotBelow(item: ItemId, parent: ItemId): Promise<void> {
    if (!isFolder(item)) return
    for (let at: ItemId | '' = parent; at !== ROOT_ITEM && at !== ''; ) {
      if (at === item) throw new PeerfoldError('MOVE_INTO_ITSELF', 'the folder would lie in itself')
      at = (await this.rows.get(keys.item(at)))!.parent
    }
  }
}

type FileContent = Pick<NonNullable<ItemChange['content']>['record'], 'content' | 'mtime' | 'mode'>

function toRef({ writer, clock, ordinal }: FoundRef): FoundRef {
  return { writer, clock, ordinal }
}

function bare({ writer, clock }: FoundRef): { writer: WriterId; clock: number } {
  return { writer, clock }
}

function exists(name: string): PeerfoldError {
  return new PeerfoldError('ALREADY_EXISTS', `there is an item of this name: ${JSON.stringify(name)}`)
}
