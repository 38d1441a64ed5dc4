import type { ItemId } from '../ports/ids.js'
import type { Integration } from './integrate.js'
import { isFolder, RECOVERED } from './item-id.js'
import { candidates, compareStamps, winner } from './item-state.js'
import { type ItemState, keys, type Place, restOf } from './rows.js'
import { ROOT_ITEM } from './types.js'

/** An item's way through its candidates. The last is always the root. */
interface Choice {
  options: Array<{ parent: ItemId; place: Place | undefined }>
  at: number
  waits: ItemId[]
}

type Choices = Map<ItemId, Choice>

/**
 * Rules 1 and 2: finds the parent of each of these items, and of all that are displaced, since what displaced them may be gone.
 *
 * Every other item has its first choice, and with those alone there was no cycle: so each cycle runs through an item whose choice is open
 * here. A cycle is broken at its highest stamp, in whatever order cycles are found: they never share an item, so breaking one leaves the
 * others as they are.
 */
export async function resolveParents(fold: Integration, unsettled: ReadonlySet<ItemId>): Promise<void> {
  const choices: Choices = new Map()
  for (const item of unsettled) choices.set(item, await choose(fold, item))
  if (fold.meta.displaced > 0 && [...unsettled].some(isFolder)) {
    for await (const [key] of fold.rows.range(keys.displaced())) {
      const item = restOf(key)
      if (!choices.has(item)) choices.set(item, await choose(fold, item))
    }
  }
  await breakCycles(fold, choices)
  for (const [item, choice] of choices) await take(fold, item, choice)
}

async function choose(fold: Integration, item: ItemId): Promise<Choice> {
  const { now } = await fold.load(item)
  const waits: ItemId[] = []
  const options: Choice['options'] = []
  if (now.places.length === 0) {
    if (now.contents.length > 0) options.push({ parent: RECOVERED, place: undefined })
    return { options, at: 0, waits }
  }
  for (const option of candidates(item, now.places)) {
    if (await isPlaced(fold, option.parent)) options.push(option)
    else waits.push(option.parent)
  }
  options.push({ parent: ROOT_ITEM, place: winner(now.places) })
  return { options, at: 0, waits: [...new Set(waits)] }
}

async function isPlaced(fold: Integration, item: ItemId): Promise<boolean> {
  return item === ROOT_ITEM || (await fold.load(item)).now.places.length > 0
}

async function breakCycles(fold: Integration, choices: Choices): Promise<void> {
  const safe = new Set<ItemId>([ROOT_ITEM, RECOVERED])
  const wanted = new Set<ItemId>()
  for (const { options } of choices.values()) for (const { parent } of options) wanted.add(parent)
  for (const start of [...choices.keys()].filter(isFolder)) {
    // What is new and wanted by nobody has nothing below it, so no cycle can come back to it.
    if (!wanted.has(start) && (await fold.load(start)).before === undefined) continue
    for (;;) {
      const cycle = await findCycle(fold, choices, start, safe)
      if (cycle === undefined) break
      await yieldHighest(fold, choices, cycle)
    }
  }
}

/** Walks up until the root or what is known to reach it; what was walked is then known too, and stays so. */
async function findCycle(
  fold: Integration,
  choices: Choices,
  start: ItemId,
  safe: Set<ItemId>,
): Promise<ItemId[] | undefined> {
  const walked = new Set<ItemId>()
  let item: ItemId | '' = start
  while (item !== '' && !safe.has(item)) {
    if (walked.has(item)) return [...walked].slice([...walked].indexOf(item))
    walked.add(item)
    item = await parentOf(fold, choices, item)
  }
  for (const passed of walked) safe.add(passed)
  return undefined
}

async function parentOf(fold: Integration, choices: Choices, item: ItemId): Promise<ItemId | ''> {
  const choice = choices.get(item)
  if (choice) return choice.options[choice.at]?.parent ?? ''
  return (await fold.load(item)).now.parent
}

async function yieldHighest(fold: Integration, choices: Choices, cycle: readonly ItemId[]): Promise<void> {
  let highest: { item: ItemId; place: Place } | undefined
  for (const item of cycle) {
    const choice = choices.get(item) ?? (await choose(fold, item))
    choices.set(item, choice)
    const place = choice.options[choice.at]!.place!
    if (highest === undefined || compareEdges({ item, place }, highest) > 0) highest = { item, place }
  }
  choices.get(highest!.item)!.at++
}

function compareEdges(a: { item: ItemId; place: Place }, b: { item: ItemId; place: Place }): number {
  return compareStamps(b.place, a.place) || (a.item > b.item ? 1 : -1)
}

async function take(fold: Integration, item: ItemId, choice: Choice): Promise<void> {
  const { now } = await fold.load(item)
  wait(fold, item, now, choice.waits)
  await fold.settle(item, choice.options[choice.at]?.parent ?? '', choice.at > 0)
}

function wait(fold: Integration, item: ItemId, now: ItemState, waits: ItemId[]): void {
  for (const parent of now.waits) {
    if (!waits.includes(parent)) fold.rows.delete(keys.waiting(parent, item), true)
  }
  for (const parent of waits) {
    if (!now.waits.includes(parent)) fold.rows.put(keys.waiting(parent, item), true)
  }
  fold.meta.waiting += waits.length - now.waits.length
  now.waits = waits
}
