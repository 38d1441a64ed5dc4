import { toHex, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { ItemId } from '../ports/ids.js'

/** Peerfold's own directory in the root of a synced folder. Nothing of it is ever synced. */
export const STATE_DIRECTORY = '.peerfold'

/** What names a disk can tell apart and hold (design: paths from others are hostile too). */
export interface NameRules {
  /** Longest name in bytes of UTF-8. */
  maxBytes: number
  /** Every name is a name of its own: `fold` changes nothing. */
  exact: boolean
  /** Names with equal folds are one name to this disk. */
  fold(name: string): string
  /** Whether this disk can hold the name as it is. */
  holds(name: string): boolean
}

export interface NameTraits {
  /** `a` and `A` are one name. */
  caseless: boolean
  /** The composed and the decomposed form of a letter are one name. */
  formless: boolean
  /** The characters and names that Windows and its file systems reserve are refused. */
  reserving: boolean
}

const MAX_BYTES = 255
/** Linux and most of what it mounts: bytes, only `/` and NUL are special, and those are no names in the tree either. */
const IMPOSSIBLE = /^$|^\.{1,2}$|[/\0]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const RESERVED_CHARACTERS = /[\0-\x1f<>:"/\\|?*]|[. ]$/
/** Devices of MS-DOS, with any extension. */
const RESERVED_NAMES = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(\.|$)/i

export function nameRules({ caseless, formless, reserving }: NameTraits): NameRules {
  const form = formless ? (name: string) => name.normalize('NFD') : (name: string) => name
  // By way of upper case, so that letters with two lower forms (ς, σ) and those that grow (ß, ŉ) meet: rather one alias too many.
  const fold = (name: string) => form(form(name).toUpperCase().toLowerCase())
  return {
    maxBytes: MAX_BYTES,
    exact: !caseless && !formless,
    fold: caseless ? fold : form,
    holds: (name) =>
      !IMPOSSIBLE.test(name) &&
      byteLength(name) <= MAX_BYTES &&
      !(reserving && (RESERVED_CHARACTERS.test(name) || RESERVED_NAMES.test(name))),
  }
}

export const POSIX_NAMES = nameRules({ caseless: false, formless: false, reserving: false })

/** Disk names of the children of one merged folder: the name itself, or a local alias where this disk can't hold it, or only beside another. */
export function projectNames(
  children: Iterable<{ item: ItemId; name: string }>,
  rules: NameRules,
  inRoot: boolean,
): Map<ItemId, string> {
  const taken = new Set<string>(inRoot ? [rules.fold(STATE_DIRECTORY)] : [])
  const names = new Map<ItemId, string>()
  const aliased: Array<{ item: ItemId; name: string }> = []
  const byName = [...children].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  for (const child of byName) {
    if (!rules.holds(child.name) || taken.has(rules.fold(child.name))) aliased.push(child)
    else claim(child.item, child.name)
  }
  for (const { item, name } of aliased) claim(item, aliasFor(name, item, taken, rules))
  return names

  function claim(item: ItemId, diskName: string): void {
    taken.add(rules.fold(diskName))
    names.set(item, diskName)
  }
}

/** A safe name that tells where it came from; the synced tree keeps the true one, so that it can always be given back. */
function aliasFor(name: string, item: ItemId, taken: ReadonlySet<string>, rules: NameRules): string {
  const safe = harmless(name)
  const tag = toHex(sha256Now(toUtf8(`${item}/${name}`)))
  for (let digits = 8; digits < tag.length; digits += 8) {
    const alias = withSuffix(safe, `~${tag.slice(0, digits)}`, rules.maxBytes)
    if (!taken.has(rules.fold(alias)) && rules.holds(alias)) return alias
  }
  return `~${tag}`
}

/** What no system that is known refuses, but for its length. */
function harmless(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
  const plain = name.replace(/[/\\\0-\x1f\x7f<>:"|?*]/g, '_').replace(/[. ]+$/, '_')
  return RESERVED_NAMES.test(plain) ? `_${plain}` : plain
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
