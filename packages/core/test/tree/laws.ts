import type { ItemId } from '../../src/ports/ids.js'
import { isFolder } from '../../src/tree/item-id.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import type { Records, Shown } from './dump.js'
import type { Sent, Vector } from './replica.js'

/** What must be true of a merged tree, told from what devices did and not from how trees are merged. */

export interface Deletion {
  top: ItemId
  removed: Set<ItemId>
  parents: Map<ItemId, ItemId>
  /** What its author knew. */
  vector: Vector
  sent?: Sent
}

/** As `expect` does, which for what is asked millions of times is too slow. */
export function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

interface Told {
  records: Records
  deletions: readonly Deletion[]
}

/** A tree: everything hangs together, in folders, under names of its own. */
export function checkShape(shown: Map<ItemId, Shown>): void {
  const names = new Set<string>()
  for (const [item, { parent, name }] of shown) {
    let steps = 0
    for (let at = item; at !== ROOT_ITEM; at = shown.get(at)!.parent)
      check(steps++ < 500, 'no item lies in itself')
    check(isFolder(parent), 'only folders hold items')
    check(!names.has(`${parent}/${name}`), 'names of siblings differ')
    names.add(`${parent}/${name}`)
  }
}

/** Every content is shown, was superseded by one that was based on it, or removed by someone who knew it. */
export function checkBytes(shown: Map<ItemId, Shown>, { records, deletions }: Told): void {
  const writes = records.all.flatMap(({ id, sent, record }) =>
    record.type === 'c' ? [{ id, sent, record }] : [],
  )
  const plainOf = new Map(writes.map(({ id, record }) => [id, record.content.plain]))
  const superseded = new Set<string>()
  for (const { id, record } of writes) {
    const shard = id.split('.')[0]
    for (const ref of [...record.over, ...record.base]) superseded.add(`${shard}.${ref.writer}.${ref.clock}`)
  }
  const heads = new Map<ItemId, Set<string>>()
  for (const { id, record } of writes) {
    const item = shown.get(record.item)
    const { plain } = record.content
    if (superseded.has(id)) continue
    if (item === undefined) {
      const deleted = deletions.some(
        ({ removed, sent, vector }) => sent && removed.has(record.item) && saw(records, vector, id),
      )
      check(deleted, `lost ${id}`)
      continue
    }
    heads.set(record.item, (heads.get(record.item) ?? new Set()).add(plain))
  }
  for (const [item, { heads: ids }] of shown) {
    const shownPlains = new Set(ids.map((id) => plainOf.get(id)!))
    const expected = heads.get(item) ?? new Set()
    check(shownPlains.size === ids.length, 'equal contents are one head')
    check(
      expected.size === ids.length && [...expected].every((plain) => shownPlains.has(plain)),
      `exact heads of ${item}`,
    )
  }
}

function saw(records: Records, vector: Vector, id: string): boolean {
  const { commit } = records.sentOf(id)
  return (vector.get(commit.writer) ?? 0) >= commit.seq
}

/** What a deletion saw and nobody touched since stays away, but for folders that something living needs. */
export function checkZombies(shown: Map<ItemId, Shown>, { records, deletions }: Told): void {
  for (const { top, removed, parents, vector, sent } of deletions) {
    for (const item of sent ? removed : []) {
      const chain = [item]
      while (chain.at(-1) !== top) chain.push(parents.get(chain.at(-1)!)!)
      const untouched = records.all.every(({ id, record }) => {
        if (!chain.includes(record.item) || saw(records, vector, id)) return true
        return record.type === 'p' && record.removed !== undefined
      })
      check(!untouched || shown.get(item)?.ghost !== false, `zombie ${item}`)
    }
  }
}
