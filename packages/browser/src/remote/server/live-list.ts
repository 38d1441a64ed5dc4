import { type Item, isPeerfoldError, type Workspace } from '@peerfold/core'
import { raceSignal, Wakeup } from '@peerfold/core/async'
import { SPLICE_ITEMS } from '../limits.js'
import { isSameItem } from '../same-item.js'
import type { Splice } from '../wire.js'
import type { ServerExchange } from './exchange.js'

/** An empty list can mean that its folder is empty or that nobody has looked yet: how often the difference is looked for. */
const LOOK_MS = 250

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
  let looked = false
  let fresh = true
  using live = workspace.live(path)
  live.subscribe((items) => {
    if (items.length === 0 && !looked) return
    looked = true
    fresh = true
    changed.wake()
  })
  while (!looked && !(await isEmpty(workspace, path, signal)))
    if (!looked) await raceSignal(Promise.race([changed.wait({ signal }), sleep(LOOK_MS)]), signal)
  looked = true
  // The first list is sent even where it is empty: it says that somebody has looked.
  let sent: Item[] = []
  for (;;) {
    while (!fresh) await changed.wait({ signal })
    fresh = false
    const items = live.value
    for (const splice of splices(sent, items)) await exchange.sendItem(() => splice)
    sent = items
  }
}

async function isEmpty(workspace: Workspace, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const _ of workspace.list(path, { signal })) return false
    return true
  } catch (error) {
    if (isPeerfoldError(error, 'NOT_FOUND') || isPeerfoldError(error, 'NOT_A_FOLDER')) return true
    throw error
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
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
