import type { ItemId } from '../ports/ids.js'
import { RECOVERED, TRASH } from './item-id.js'
import type { NameStamp } from './record.js'
import type { Content, ItemState, Ordinal, Place } from './rows.js'
import { ROOT_ITEM } from './types.js'

/** What the live records of one item say (PROTOCOL.md §5.5), before anything around it is looked at. */

/** Sorts after every stamp: others keep the name `Recovered`. */
const LAST: NameStamp = { counter: Number.MAX_SAFE_INTEGER, writer: Number.MAX_SAFE_INTEGER }

export function emptyState(): ItemState {
  return {
    places: [],
    contents: [],
    parent: '',
    displaced: false,
    inherited: [],
    removed: false,
    dead: false,
    kids: 0,
    shown: '',
    removedAt: 0,
    waits: [],
  }
}

/** `Recovered` while nothing lies in it. */
export function recoveredState(): ItemState {
  return { ...emptyState(), parent: ROOT_ITEM, dead: true }
}

/** Whether it is in the tree that people see. */
export function isLive(state: ItemState | undefined): state is ItemState {
  return state !== undefined && state.parent !== '' && (!state.dead || state.kids > 0)
}

export function isGhost(state: ItemState): boolean {
  return state.dead && state.kids > 0
}

/** Highest first. */
export function compareStamps(a: Place | Content, b: Place | Content): number {
  return b.stamp - a.stamp || b.writer - a.writer || b.clock - a.clock
}

/** The placement that decides: the highest live one, else the highest deletion. `places` are sorted. */
export function winner(places: readonly Place[]): Place | undefined {
  return places.find((place) => place.parent !== TRASH) ?? places[0]
}

/** Its deletions, unless a concurrent placement beats them. */
export function deletions(state: Pick<ItemState, 'places'>): Place[] {
  return winner(state.places)?.parent === TRASH ? state.places : []
}

/** The commit of the placement that holds it where it is; undefined for content without placement. */
export function edgeOf(state: Pick<ItemState, 'places'>): Ordinal | undefined {
  const place = winner(state.places)
  return place?.removed?.ordinal ?? place?.ordinal
}

export interface Label extends NameStamp {
  name: string
}

/** Its name by record, and when that was given: the earliest among placements that agree. */
export function labelOf(item: ItemId, state: Pick<ItemState, 'places' | 'contents'>): Label {
  if (item === RECOVERED) return { name: 'Recovered', ...LAST }
  const place = winner(state.places)
  if (place === undefined) {
    const content = state.contents[0]
    return { name: content?.name ?? '', counter: content?.stamp ?? 0, writer: content?.writer ?? 0 }
  }
  let named = place.named
  for (const other of state.places) {
    const agrees = other.parent === place.parent && other.name === place.name
    if (agrees && compareNameStamps(other.named, named) < 0) named = other.named
  }
  return { name: place.name, counter: named.counter, writer: named.writer }
}

export function compareNameStamps(a: NameStamp, b: NameStamp): number {
  return a.counter - b.counter || a.writer - b.writer
}

/** Parents that it may have, best first, the root not among them, each with the stamp of the record that wants it. */
export function candidates(item: ItemId, places: readonly Place[]): Array<{ parent: ItemId; place: Place }> {
  const living = places.filter((place) => place.parent !== TRASH)
  const wanted = living.map((place) => ({ parent: place.parent, place }))
  for (const place of living.length > 0 ? living : places) wanted.push({ parent: place.previous, place })
  return wanted.filter(({ parent }) => parent !== item && parent !== RECOVERED)
}

/** Whether concurrent moves left it with several places to be. */
export function isContested(state: Pick<ItemState, 'places'>): boolean {
  const [first, ...others] = state.places
  return others.some((place) => place.parent !== first!.parent || place.name !== first!.name)
}

/** Heads to show: equal content counts once, the highest stamp first. */
export function distinctHeads(contents: readonly Content[]): Content[] {
  const seen = new Set<string>()
  return contents.filter(({ content }) => !seen.has(content.plain) && seen.add(content.plain))
}
