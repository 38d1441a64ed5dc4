import type { ItemId } from '../ports/ids.js'
import type { Integration } from './integrate.js'
import { parseSuffixed, suffixedName } from './names.js'
import { bucketOf, keys, type Member, restOf } from './rows.js'
import { ROOT_ITEM } from './types.js'

/**
 * Rule 5: in each group of live siblings with one record name, the earliest name stamp keeps it and the others show a suffix. A suffixed name
 * that is some sibling's record name gives way to the next step, so a group that comes or goes may concern another one.
 */
export async function resolveNames(fold: Integration, changed: ReadonlySet<string>): Promise<void> {
  const groups = new Set(changed)
  for (const group of changed) {
    const concerned = await concernedBy(fold, parentOf(group), restOf(group))
    if (concerned !== undefined) groups.add(concerned)
  }
  for (const group of groups) await nameGroup(fold, parentOf(group), restOf(group))
}

function parentOf(group: string): ItemId {
  return bucketOf(group).slice(0, -1)
}

/** The group with a member that may show, or have wanted to show, this very name as a suffixed one. */
async function concernedBy(fold: Integration, parent: ItemId, name: string): Promise<string | undefined> {
  const source = parseSuffixed(name)
  if (source === undefined) return undefined
  if ('base' in source) return `${parent}/${source.base}`
  if (source.item === ROOT_ITEM || (await fold.rows.get(keys.item(source.item))) === undefined)
    return undefined
  const { attached } = await fold.load(source.item)
  return attached.live && attached.parent === parent ? `${parent}/${attached.name}` : undefined
}

async function nameGroup(fold: Integration, parent: ItemId, name: string): Promise<void> {
  const members = (await fold.rows.get(keys.members(parent, name))) ?? []
  for (const [i, member] of members.entries()) {
    const work = await fold.load(member.item)
    fold.show(work, parent, i === 0 ? '' : await suffixFor(fold, parent, name, member.item, members))
  }
}

async function suffixFor(
  fold: Integration,
  parent: ItemId,
  name: string,
  item: ItemId,
  members: readonly Member[],
): Promise<string> {
  const short = item.slice(0, 8)
  const alike = members.some((other) => other.item !== item && other.item.startsWith(short))
  for (let step = alike ? 1 : 0; ; step++) {
    const shown = suffixedName(name, item, step)
    if (shown !== undefined && (await fold.rows.get(keys.members(parent, shown))) === undefined) return shown
  }
}
