import fc from 'fast-check'
import { expect } from 'vitest'
import type { ItemId } from '../../src/ports/ids.js'
import { isFolder, RECOVERED } from '../../src/tree/item-id.js'
import { ROOT_ITEM, type TreeTransaction } from '../../src/tree/types.js'
import { dump, expectSame, Records, refold, type Shown } from './dump.js'
import { contentOf, META, Replica, type Sent, type Vector } from './replica.js'

export const DEVICES = 3
export const SHARDS = 2

/** One step of a history. Numbers choose among what is there. */
export interface Step {
  kind:
    | 'file'
    | 'folder'
    | 'edit'
    | 'stale'
    | 'move'
    | 'rename'
    | 'remove'
    | 'reassert'
    | 'sync'
    | 'group'
    | 'crash'
    | 'restart'
  device: number
  a: number
  b: number
  name: number
  /** Operations of this and the next step go into one transaction. */
  joined: boolean
}

const weights: Array<[Step['kind'], number]> = [
  ['file', 3],
  ['folder', 5],
  ['edit', 4],
  ['stale', 2],
  ['move', 10],
  ['rename', 2],
  ['remove', 4],
  ['reassert', 1],
  ['sync', 5],
  ['group', 2],
  ['crash', 1],
  ['restart', 1],
]

export const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...weights.map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }))),
  device: fc.nat(DEVICES - 1),
  a: fc.nat(30),
  b: fc.nat(30),
  // Few enough to collide, enough for most moves to find a free name.
  name: fc.nat(5),
  joined: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
})

interface Deletion {
  top: ItemId
  removed: Set<ItemId>
  parents: Map<ItemId, ItemId>
  vector: Vector
  sent?: Sent
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
      default:
        await this.#transact(replica, steps.filter(isWrite))
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

  async #transact(replica: Replica, steps: readonly Step[]): Promise<void> {
    const vector: Vector = new Map(replica.known)
    const deletions: Deletion[] = []
    const { sent, value } = await replica.commit(async (tx) => {
      for (const step of steps) await this.#operate(replica, tx, step, deletions, vector)
      return dump(tx)
    })
    if (sent) this.records.add(sent)
    for (const deletion of deletions) this.deletions.push({ ...deletion, sent })
    const after = await dump(replica.tree)
    expectSame(after, value, 'a transaction reads what everyone will see')
    if (this.moments.length < 3) this.moments.push({ vector: new Map(replica.known), shown: after })
  }

  async #operate(
    replica: Replica,
    tx: TreeTransaction,
    step: Step,
    deletions: Deletion[],
    vector: Vector,
  ): Promise<void> {
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
        if (item) await tx.reassert(item)
        return
      case 'remove':
        if (item) await this.#remove(tx, item, shown, deletions, vector)
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

  async #remove(
    tx: TreeTransaction,
    top: ItemId,
    shown: Map<ItemId, Shown>,
    deletions: Deletion[],
    vector: Vector,
  ): Promise<void> {
    const removed = subtree(shown, top)
    await tx.remove(top)
    const after = await dump(tx)
    for (const item of removed) expect(after.has(item), 'a deletion hides all that was below').toBe(false)
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
    expect(conflicts.length).toBe(heads.filter((count) => count > 1).length)
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
        expect(await replica.tree.documents.state(shard)).toEqual(await first.tree.documents.state(shard))
      }
    }
    await this.#checkIndex(late)
    this.#checkShape(shown)
    this.#checkBytes(shown)
    this.#checkZombies(shown)
    await this.#checkRemoved(first, shown)
    await this.#checkTimeTravel(first)
  }

  #checkShape(shown: Map<ItemId, Shown>): void {
    const names = new Set<string>()
    for (const [item, { parent, name }] of shown) {
      let steps = 0
      for (let at = item; at !== ROOT_ITEM; at = shown.get(at)!.parent) expect(steps++).toBeLessThan(500)
      expect(isFolder(parent)).toBe(true)
      expect(names.has(`${parent}/${name}`), 'names of siblings differ').toBe(false)
      names.add(`${parent}/${name}`)
    }
  }

  #checkBytes(shown: Map<ItemId, Shown>): void {
    const writes = this.records.all.flatMap(({ id, sent, record }) =>
      record.type === 'c' ? [{ id, sent, record }] : [],
    )
    const superseded = new Set<string>()
    for (const { id, record } of writes) {
      const shard = id.split('.')[0]
      for (const ref of [...record.over, ...record.base])
        superseded.add(`${shard}.${ref.writer}.${ref.clock}`)
    }
    const heads = new Map<ItemId, Set<string>>()
    for (const { id, record } of writes) {
      const item = shown.get(record.item)
      const { plain } = record.content
      if (superseded.has(id)) continue
      if (item === undefined) {
        const deleted = this.deletions.some(
          ({ removed, sent, vector }) => sent && removed.has(record.item) && this.#saw(vector, id),
        )
        expect(deleted, `lost ${id}`).toBe(true)
        continue
      }
      heads.set(record.item, (heads.get(record.item) ?? new Set()).add(plain))
    }
    for (const [item, { heads: ids }] of shown) {
      const plains = ids.map((id) => writes.find((write) => write.id === id)!.record.content.plain)
      expect(new Set(plains), 'exact heads').toEqual(heads.get(item) ?? new Set())
      expect(new Set(plains).size).toBe(plains.length)
    }
  }

  #saw(vector: Vector, id: string): boolean {
    const { commit } = this.records.all.find((one) => one.id === id)!.sent
    return (vector.get(commit.writer) ?? 0) >= commit.seq
  }

  /** What a deletion saw and nobody touched since stays away, but for folders that something living needs. */
  #checkZombies(shown: Map<ItemId, Shown>): void {
    for (const { top, removed, parents, vector, sent } of this.deletions) {
      for (const item of sent ? removed : []) {
        const chain = [item]
        while (chain.at(-1) !== top) chain.push(parents.get(chain.at(-1)!)!)
        const untouched = this.records.all.every(({ id, record }) => {
          if (!chain.includes(record.item) || this.#saw(vector, id)) return true
          return record.type === 'p' && record.removed !== undefined
        })
        if (untouched && shown.has(item)) expect(shown.get(item)!.ghost, `zombie ${item}`).toBe(true)
      }
    }
  }

  async #checkRemoved(replica: Replica, shown: Map<ItemId, Shown>): Promise<void> {
    const placed = new Set(
      this.records.all.filter(({ record }) => record.type === 'p').map(({ record }) => record.item),
    )
    const removed: string[] = []
    let last = Number.POSITIVE_INFINITY
    for await (const { item, time } of replica.tree.removed()) {
      removed.push(item)
      expect(time).toBeLessThanOrEqual(last)
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
  return !['sync', 'group', 'crash', 'restart'].includes(kind)
}

function subtree(shown: Map<ItemId, Shown>, top: ItemId): Set<ItemId> {
  const found = new Set([top])
  for (let size = 0; size < found.size; ) {
    size = found.size
    for (const [item, { parent }] of shown) if (found.has(parent)) found.add(item)
  }
  return found
}
