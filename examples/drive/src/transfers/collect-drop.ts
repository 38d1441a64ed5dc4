import type { DropItem } from 'react-aria-components'
import { type Collected, collect, treeOfHandle, treesOfDrop } from './collect.js'

/** What was dropped, by handles where the browser gives them for all: with these an upload goes on after a restart. */
export async function collectDrop(
  dropped: readonly DropItem[],
  handles: ReadonlyArray<Promise<FileSystemHandle | null>>,
): Promise<Collected> {
  const given = (await Promise.all(handles)).filter((handle) => handle !== null)
  const outside = dropped.filter(({ kind }) => kind !== 'text')
  const complete = given.length > 0 && given.length === outside.length
  return await collect(complete ? given.map(treeOfHandle) : treesOfDrop(outside))
}
