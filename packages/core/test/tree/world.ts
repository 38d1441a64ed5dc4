import { expect } from 'vitest'
import { equalBytes } from '../../src/encoding/bytes.js'
import type { ItemId } from '../../src/ports/ids.js'
import { isFolder, RECOVERED } from '../../src/tree/item-id.js'
import { ROOT_ITEM, type TreeTransaction } from '../../src/tree/types.js'
import { dump, expectSame, Records, refold, type Shown } from './dump.js'
import { check, checkBytes, checkShape, checkZombies, type Deletion } from './laws.js'
import { contentOf, META, Replica, type Vector } from './replica.js'
import { DEVICES, type Step } from './steps.js'

export const SHARDS = 2

/** What one commit removes. */
interface Book {
  deletions: Deletion[]
  /** What its author knew. */
  vector: Vector
}

/** A few devices, what they did, and what must be true of it. */
export class World {
  readonly replicas: Replica[] = []
  readonly records = new Records()
  readonly deletions: Deletion[] = []
  /** How often histories came upon what is rare, so that a campaign can say that it did. */
  static readonly met = { displaced: 0, ghosts: 0, conflicts: 0, suffixed: 0 }
  readonly moments: Array<{ vector: Vector; shown: Map<ItemId, Shown> }> = []
  #label = 0

  static async open(): Promise<World> {
    const world = new World()
    for (let i = 0; i < DEVICES; i++) world.replicas.push(await world.replica(1000 + i, i))
    return world
  }

  /** Devices' clocks differ, and one runs backwards. */
  replica(writer: number, skew = 0): Promise<Replica> {
    let time = 1_700_000_000_000 + skew * 86_400_000
    const now = () => (time += skew === 1 ? -1000 : 1000)
    return Replica.open({ writer, now, tree: { shards: SHARDS, cacheEntries: 64 } })
  }

  /** Folders and files that everyone has: what concurrent moves are made of. */
  async share(): Promise<void> {
    const [first] = this.replicas as [Replica]
    const { sent } = await first.commit(async (tx) => {
      for (const name of ['a', 'b', 'c', 'd']) {
        const folder = await tx.makeFolder(ROOT_ITEM, name)
        if (name > 'b') await tx.makeFile(folder.item, 'n0.txt', contentOf(name), META)
        if (name < 'c') continue
        const inner = await tx.makeFolder(folder.item, 'e')
        await tx.makeFile(inner.item, 'n1.txt', contentOf(`${name}e`), META)
      }
    })
    this.records.add(sent!)
    for (const replica of this.replicas.slice(1)) await replica.pull(first)
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (let i = 0; i < steps.length; ) {
      const together = [steps[i]!]
      while (steps[i]!.joined && i + 1 < steps.length) together.push(steps[++i]!)
      i++
      await this.#step(together)
    }
  }

  async #step(steps: readonly Step[]): Promise<void> {
    const [first] = steps as [Step]
    const replica = this.replicas[first.device]!
    switch (first.kind) {
      case 'restart':
        await replica.reopen()
        break
      case 'sync':
        await replica.pull(this.#other(first))
        break
      case 'group':
        await this.#group(replica, this.#other(first), async (batch) => replica.write(batch))
        break
      case 'crash':
        await this.#crash(replica, first)
        break
      case 'cross':
        return this.#cross(replica, this.#other(first), first)
      case 'contest':
        return this.#contest(replica, this.#other(first), first)
      default:
        await this.#act(replica, async (tx, book) => {
          for (const step of steps.filter(isWrite)) await this.#operate(replica, tx, step, book)
        })
    }
    await this.#checkIndex(replica)
  }

  #other({ device, a }: Step): Replica {
    return this.replicas[(device + 1 + (a % (DEVICES - 1))) % DEVICES]!
  }

  async #group(replica: Replica, from: Replica, write: Parameters<Replica['take']>[1]): Promise<void> {
    const missing = from.log.filter((sent) => !replica.has(sent))
    if (missing.length > 0) await replica.take(missing, write)
  }

  /** The log has the commits, but the batch was not written, or nobody was told that it was. */
  async #crash(replica: Replica, step: Step): Promise<void> {
    const from = this.#other(step)
    const crash = new Error('power cut')
    const written = step.b % 2 === 0
    try {
      await this.#group(replica, from, async (batch) => {
        if (written) await replica.write(batch)
        throw crash
      })
    } catch (error) {
      if (error !== crash) throw error
    }
    await replica.reopen()
    if (!written) return this.#group(replica, from, async (batch) => replica.write(batch))
    for (const sent of from.log) if (!replica.has(sent)) replica.note(sent)
  }

  /** Two devices move two folders into each other, neither knowing; one then may remove the folder out of which it took its own. */
  async #cross(replica: Replica, other: Replica, { a, b, name }: Step): Promise<void> {
    // Whose move is the later: that one will yield, to where the folder was before.
    const later = replica.stamp - other.stamp || replica.writer - other.writer
    const [winner, loser] = later > 0 ? [other, replica] : [replica, other]
    const [here, there] = [await dump(loser.tree), await dump(winner.tree)]
    const folders = [...here.keys()].filter((item) => isFolder(item) && there.has(item)).sort()
    const nested = folders.filter((item) => here.get(item)!.parent !== ROOT_ITEM)
    const some = nested.length > 0 && b % 4 > 0 ? nested : folders
    const x = some[a % some.length]
    if (x === undefined) return
    const apart = (y: ItemId) => !subtree(here, x).has(y) && !subtree(there, y).has(x)
    const others = folders.filter(apart)
    const y = others[(a + b) % others.length]
    if (y === undefined) return
    const from = here.get(x)!.parent
    await this.#act(loser, (tx) => this.#move(tx, x, y, `n${name}.txt`))
    if (b % 2 === 0) await this.#act(loser, (tx, book) => this.#removeShown(tx, from, book))
    await this.#act(winner, (tx) => this.#move(tx, y, x, `n${name}.txt`))
  }

  /** Two devices give one item a place each; a third may hear of one of them, and remove the item there; one may remove all that it sees there. */
  async #contest(replica: Replica, other: Replica, { a, b, name }: Step): Promise<void> {
    const [here, there] = [await dump(replica.tree), await dump(other.tree)]
    const items = [...here.keys()].filter((item) => there.has(item) && item !== RECOVERED).sort()
    const item = items[a % items.length]
    if (item === undefined) return
    for (const [one, shown] of [
      [replica, here],
      [other, there],
    ] as const) {
      const below = subtree(shown, item)
      const targets = [ROOT_ITEM, ...shown.keys()].filter(
        (to) => isFolder(to) && to !== RECOVERED && !below.has(to),
      )
      const to = targets.sort()[(one === other ? b * 7 : b) % targets.length]!
      await this.#act(one, (tx) => this.#move(tx, item, to, `n${name}.txt`))
    }
    if (b % 2 === 1) return
    const third = this.replicas.find((one) => one !== replica && one !== other)!
    await third.pull(replica)
    await this.#act(third, (tx, book) => this.#removeShown(tx, item, book))
    if (b % 4 === 2) return
    await replica.pull(other)
    await this.#act(replica, async (tx, book) => {
      const parent = (await tx.entry(item))?.parent
      if (parent !== undefined) await this.#removeShown(tx, parent, book)
    })
  }

  async #act(replica: Replica, act: (tx: TreeTransaction, book: Book) => Promise<unknown>): Promise<void> {
    const book: Book = { deletions: [], vector: new Map(replica.known) }
    const { sent, value } = await replica.commit(async (tx) => {
      await act(tx, book)
      return dump(tx)
    })
    if (sent) this.records.add(sent)
    for (const deletion of book.deletions) this.deletions.push({ ...deletion, sent })
    const after = await dump(replica.tree)
    expectSame(after, value, 'a transaction reads what everyone will see')
    if (this.moments.length < 3) this.moments.push({ vector: new Map(replica.known), shown: after })
  }

  async #operate(replica: Replica, tx: TreeTransaction, step: Step, book: Book): Promise<void> {
    const shown = await dump(tx)
    const items = [...shown.keys()].filter((item) => item !== RECOVERED).sort()
    const folders = [ROOT_ITEM, ...items.filter(isFolder)]
    const files = items.filter((item) => !isFolder(item))
    const name = `n${step.name}.txt`
    const pick = (from: readonly ItemId[], n: number) => from[n % from.length]
    const item = pick(step.kind === 'edit' || step.kind === 'stale' ? files : items, step.a)
    switch (step.kind) {
      case 'file':
      case 'folder':
        return this.#make(tx, step, pick(folders, step.a)!, name)
      case 'edit':
        if (item) await this.#edit(tx, item, undefined)
        return
      case 'stale':
        if (item) await this.#editStale(replica, tx, item, step)
        return
      case 'move':
      case 'rename': {
        if (item === undefined) return
        const below = subtree(shown, item)
        const targets =
          step.kind === 'rename' ? [shown.get(item)!.parent] : folders.filter((f) => !below.has(f))
        return this.#move(tx, item, pick(targets, step.b)!, name)
      }
      case 'reassert':
        if (item) await this.#reassert(tx, item)
        return
      case 'sweep':
        return this.#sweep(replica, tx, step, book)
      case 'remove':
        if (item) await this.#remove(tx, item, book)
    }
  }

  async #make(tx: TreeTransaction, step: Step, parent: ItemId, name: string): Promise<void> {
    const there = await tx.child(parent, name)
    if (there) {
      const make =
        step.kind === 'file' ? tx.makeFile(parent, name, contentOf('x'), META) : tx.makeFolder(parent, name)
      if (step.kind === 'folder' && there.kind === 'folder') expect((await make).item).toBe(there.item)
      else await expect(make).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      return
    }
    // Some contents are equal on purpose.
    const made =
      step.kind === 'file'
        ? await tx.makeFile(parent, name, contentOf(step.b % 4 === 0 ? 'same' : `c${this.#label++}`), META)
        : await tx.makeFolder(parent, name)
    expect(made).toMatchObject({ parent, name, recordName: name, ghost: false })
  }

  async #edit(tx: TreeTransaction, item: ItemId, basedOn: string[] | undefined): Promise<void> {
    const content = contentOf(`c${this.#label++}`)
    const entry = await tx.writeFile(item, content, META, basedOn)
    expect(entry.heads[0]!.content).toEqual(content)
    if (basedOn === undefined) expect(entry.heads).toHaveLength(1)
  }

  /** Rule 8: based on what was on disk, an older version. */
  async #editStale(replica: Replica, tx: TreeTransaction, item: ItemId, step: Step): Promise<void> {
    const versions: string[] = []
    for await (const { id } of replica.tree.versions(item)) versions.push(id)
    if (versions.length > 0) await this.#edit(tx, item, [versions[step.b % versions.length]!])
  }

  async #move(tx: TreeTransaction, item: ItemId, parent: ItemId, name: string): Promise<void> {
    const there = await tx.child(parent, name)
    if (there !== undefined && there.item !== item) {
      await expect(tx.move(item, parent, name)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      return
    }
    expect(await tx.move(item, parent, name)).toMatchObject({ parent, name, recordName: name })
  }

  async #reassert(tx: TreeTransaction, item: ItemId): Promise<void> {
    const before = await dump(tx)
    await tx.reassert(item)
    const after = await dump(tx)
    for (const [one, { parent }] of before)
      check(after.get(one)?.parent === parent, 'everything stays in place')
  }

  /** Removes a folder above something that several places claim, or that lies where it was never put: chance rarely does. */
  async #sweep(replica: Replica, tx: TreeTransaction, step: Step, book: Book): Promise<void> {
    const shown = await dump(tx)
    const found = new Set<ItemId>()
    for (const item of await oddItems(replica))
      for (let at = shown.get(item)?.parent; at && at !== ROOT_ITEM; at = shown.get(at)!.parent) found.add(at)
    found.delete(RECOVERED)
    const top = [...found].sort()[step.a % found.size]
    if (top !== undefined) await this.#remove(tx, top, book)
  }

  /** What a ghost held may have been all that kept it. */
  async #removeShown(tx: TreeTransaction, item: ItemId, book: Book): Promise<void> {
    if (item !== RECOVERED && (await dump(tx)).has(item)) await this.#remove(tx, item, book)
  }

  async #remove(tx: TreeTransaction, top: ItemId, { deletions, vector }: Book): Promise<void> {
    const shown = await dump(tx)
    const removed = subtree(shown, top)
    await tx.remove(top)
    const after = await dump(tx)
    for (const item of removed) check(!after.has(item), 'a deletion hides all that was below')
    const parents = new Map([...removed].map((item) => [item, shown.get(item)!.parent]))
    deletions.push({ top, removed, parents, vector })
  }

  /** The index equals the fold of all live records of real Yjs documents. */
  async #checkIndex(replica: Replica): Promise<void> {
    const shown = await dump(replica.tree)
    expectSame(shown, await refold(replica.tree, SHARDS, this.records), 'incremental = full')
    await this.#count(replica, shown)
    const heads = [...shown.values()].map(({ heads: all }) => all.length)
    const conflicts: string[] = []
    for await (const entry of replica.tree.conflicts()) conflicts.push(entry.item)
    check(conflicts.length === heads.filter((count) => count > 1).length, 'conflicts are listed')
    const items = [...shown.keys()]
    expect(await replica.tree.stats()).toMatchObject({
      files: items.filter((item) => !isFolder(item)).length,
      folders: items.filter(isFolder).length,
      conflicts: conflicts.length,
    })
  }

  async #count(replica: Replica, shown: Map<ItemId, Shown>): Promise<void> {
    const { met } = World
    if ((await replica.db.keys({ gt: 'tree/d/', lt: 'tree/d0', limit: 1 }).all()).length > 0) met.displaced++
    const all = [...shown.values()]
    if (all.some(({ ghost }) => ghost)) met.ghosts++
    if (all.some(({ heads }) => heads.length > 1)) met.conflicts++
    if (all.some(({ name, recordName }) => name !== recordName)) met.suffixed++
  }

  /** Everyone hears of everything; then what must be true at last. */
  async settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      for (const to of this.replicas) for (const from of this.replicas) if (to !== from) await to.pull(from)
    }
    const [first] = this.replicas as [Replica]
    const shown = await dump(first.tree)
    const late = await this.replica(9999)
    for (const sent of [...first.log].reverse()) await late.receive(sent)
    for (const replica of [...this.replicas.slice(1), late]) {
      expectSame(await dump(replica.tree), shown, 'convergence')
      for (let shard = 0; shard < SHARDS; shard++) {
        const [ours, theirs] = [
          await first.tree.documents.state(shard),
          await replica.tree.documents.state(shard),
        ]
        check(equalBytes(ours, theirs), 'shards are the same, byte for byte')
      }
    }
    await this.#checkIndex(late)
    checkShape(shown)
    checkBytes(shown, this)
    checkZombies(shown, this)
    await this.#checkRemoved(first, shown)
    await this.#checkTimeTravel(first)
  }

  async #checkRemoved(replica: Replica, shown: Map<ItemId, Shown>): Promise<void> {
    const placed = new Set(
      this.records.all.filter(({ record }) => record.type === 'p').map(({ record }) => record.item),
    )
    const removed: string[] = []
    let last = Number.POSITIVE_INFINITY
    for await (const { item, path, time } of replica.tree.removed()) {
      removed.push(item)
      expect(await replica.tree.lastPath(item)).toEqual(path)
      check(time <= last, 'the latest removed come first')
      last = time
    }
    expect(removed.sort()).toEqual([...placed].filter((item) => !shown.has(item)).sort())
  }

  async #checkTimeTravel(from: Replica): Promise<void> {
    const moment = this.moments.at(-1)
    if (moment === undefined) return
    const past = await this.replica(8888)
    for (const sent of from.log) {
      if ((moment.vector.get(sent.commit.writer) ?? 0) >= sent.commit.seq) await past.receive(sent)
    }
    expectSame(await dump(past.tree), moment.shown, 'time travel')
  }
}

function isWrite({ kind }: Step): boolean {
  return !['sync', 'group', 'crash', 'restart', 'cross', 'contest'].includes(kind)
}

function subtree(shown: Map<ItemId, Shown>, top: ItemId): Set<ItemId> {
  const found = new Set([top])
  for (let size = 0; size < found.size; ) {
    size = found.size
    for (const [item, { parent }] of shown) if (found.has(parent)) found.add(item)
  }
  return found
}

/** Items that are displaced, or that live placements claim for several places. */
async function oddItems(replica: Replica): Promise<ItemId[]> {
  const displaced = await replica.db.keys({ gt: 'tree/d/', lt: 'tree/d0' }).all()
  const places = new Map<ItemId, string>()
  const contested: ItemId[] = []
  for (let shard = 0; shard < SHARDS; shard++)
    for (const { record } of await replica.tree.documents.records(shard)) {
      if (record.type !== 'p') continue
      const place = `${record.parent}/${record.name}`
      if ((places.get(record.item) ?? place) !== place) contested.push(record.item)
      places.set(record.item, place)
    }
  return [...displaced.map((key) => key.slice(key.lastIndexOf('/') + 1)), ...contested].sort()
}
