import { createStore, update } from 'idb-keyval'

/**
 * The next fencing token of a home: larger than all before it. Whatever is written with a smaller one comes from a tab that slept through an
 * election. The time is in it so that it also grows after the browser's storage was wiped.
 */
export async function nextToken(home: string): Promise<number> {
  let token = 0
  const take = (last = 0) => {
    token = Math.max(last + 1, Date.now())
    return token
  }
  await update(home, take, createStore('peerfold-leaders', 'tokens'))
  return token
}
