import type { Item, Workspace } from '@peerfold/core'
import { Wakeup } from '@peerfold/core/async'
import { SPLICE_ITEMS } from '../limits.js'
import { isSameItem } from '../same-item.js'
import type { Splice } from '../wire.js'
import type { ServerExchange } from './exchange.js'

/**
 * Sends a folder's items and then what changes in them. What the client is slow to take is not sent: it gets the newest list next.
 */
export async function sendLiveItems(
  exchange: ServerExchange,
  workspace: Workspace,
  path: string,
): Promise<void> {
  const { signal } = exchange
  const changed = new Wakeup()
  let next: Item[] | undefined
  using live = workspace.live(path)
  live.subscribe((items) => {
    next = items
    changed.wake()
  })
  // The first list is sent even where it is empty: it says that somebody has looked.
  for (let sent: Item[] = []; ; ) {
    while (next === undefined) await changed.wait({ signal })
    const items: Item[] = next
    next = undefined
    for (const splice of splices(sent, items)) await exchange.sendItem(() => splice)
    sent = items
  }
}

/** What turns one list into the other, in messages of bounded size: what is equal at both ends stays. */
export function* splices(from: readonly Item[], to: readonly Item[]): Generator<Splice<Item>> {
  const shorter = Math.min(from.length, to.length)
  let start = 0
  while (start < shorter && isSameItem(from[start] as Item, to[start] as Item)) start++
  let end = 0
  while (end < shorter - start && isSameItem(from.at(-1 - end) as Item, to.at(-1 - end) as Item)) end++
  const stop = to.length - end
  let remove = from.length - end - start
  for (let at = start; at === start || at < stop; at += SPLICE_ITEMS) {
    const items = to.slice(at, Math.min(at + SPLICE_ITEMS, stop))
    yield { start: at, remove, items, more: at + SPLICE_ITEMS < stop }
    remove = 0
  }
}
