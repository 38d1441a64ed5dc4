import { toHex, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { ItemId } from '../ports/ids.js'

/** Peerfold's own directory in the root of a synced folder. Nothing of it is ever synced. */
export const STATE_DIRECTORY = '.peerfold'

/** What names a disk can tell apart and hold (design: paths from others are hostile too). */
export interface NameRules {
  /** Longest name in bytes of UTF-8. */
  maxBytes: number
  /** Names with equal folds are one name to this disk. */
  fold(name: string): string
  /** Whether this disk can't hold the name as it is. */
  forbids(name: string): boolean
}

/** Linux and most of what it mounts: bytes, only `/` and NUL are special, and those are no names in the tree either. */
export const POSIX_NAMES: NameRules = {
  maxBytes: 255,
  fold: (name) => name,
  forbids: (name) =>
    name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0'),
}

/** Disk names of the children of one merged folder: the name itself, or a local alias where this disk can't hold it. */
export function projectNames(
  children: Iterable<{ item: ItemId; name: string }>,
  rules: NameRules,
  inRoot: boolean,
): Map<ItemId, string> {
  const reserved = inRoot ? [rules.fold(STATE_DIRECTORY)] : []
  const taken = new Set<string>(reserved)
  const names = new Map<ItemId, string>()
  const aliased: Array<{ item: ItemId; name: string }> = []
  const byName = [...children].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  for (const child of byName) {
    if (!holds(child.name, rules) || taken.has(rules.fold(child.name))) aliased.push(child)
    else claim(child.item, child.name)
  }
  for (const { item, name } of aliased) claim(item, aliasFor(name, item, taken, rules))
  return names

  function claim(item: ItemId, diskName: string): void {
    taken.add(rules.fold(diskName))
    names.set(item, diskName)
  }
}

function holds(name: string, rules: NameRules): boolean {
  return !rules.forbids(name) && byteLength(name) <= rules.maxBytes
}

/** A safe name that tells where it came from; the synced tree keeps the true one, so that it can always be given back. */
function aliasFor(name: string, item: ItemId, taken: ReadonlySet<string>, rules: NameRules): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
  const safe = name.replace(/[/\\\0-\x1f\x7f<>:"|?*]/g, '_').replace(/^\.{1,2}$/, '_')
  for (let digits = 8; ; digits += 8) {
    const tag = toHex(sha256Now(toUtf8(`${item}/${name}`))).slice(0, digits)
    const alias = withSuffix(safe, `~${tag}`, rules.maxBytes)
    if (!taken.has(rules.fold(alias)) && !rules.forbids(alias)) return alias
  }
}

/** `report.txt` + ` (2)` → `report (2).txt`, shortened in the stem so that it fits. */
export function withSuffix(name: string, suffix: string, maxBytes: number): string {
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && byteLength(name.slice(dot)) <= 32 ? name.slice(dot) : ''
  const stem = extension === '' ? name : name.slice(0, dot)
  return truncate(stem, maxBytes - byteLength(suffix + extension)) + suffix + extension
}

/** The first of `name`, `name (2)`, `name (3)`, … that `isFree`. */
export async function freeName(name: string, isFree: (name: string) => Promise<boolean>): Promise<string> {
  for (let n = 2; ; n++) {
    const candidate = withSuffix(name, ` (${n})`, POSIX_NAMES.maxBytes)
    if (await isFree(candidate)) return candidate
  }
}

export function truncate(text: string, maxBytes: number): string {
  if (byteLength(text) <= maxBytes) return text
  let kept = ''
  let bytes = 0
  for (const character of text) {
    bytes += byteLength(character)
    if (bytes > maxBytes) break
    kept += character
  }
  return kept
}

export function byteLength(text: string): number {
  return toUtf8(text).length
}
