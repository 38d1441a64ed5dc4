import { PeerfoldError } from '../errors.js'
import type { ItemId } from '../ports/ids.js'

/** UTF-8 bytes of the longest name. */
export const MAX_NAME_BYTES = 1020
/** Folders in a path that this device writes. */
export const MAX_DEPTH = 512
/** UTF-8 bytes of a path that this device writes, separators included. */
export const MAX_PATH_BYTES = 32_767

const LONE_SURROGATE = /\p{Surrogate}/u
/** An extension longer than this is taken for part of the name. */
const MAX_EXTENSION_BYTES = 32

export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x80) length += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return length
}

/** What some system somewhere can hold (PROTOCOL.md §5.2); everything else is each device's own projection. */
export function isValidName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false
  if (name.includes('/') || name.includes('\0') || LONE_SURROGATE.test(name)) return false
  return utf8Length(name) <= MAX_NAME_BYTES
}

/** @throws {PeerfoldError} `NAME_INVALID` */
export function checkName(name: string): void {
  if (!isValidName(name)) throw new PeerfoldError('NAME_INVALID', `not a name: ${JSON.stringify(name)}`)
}

/** Order of children: by UTF-8 bytes, which is the order of code points (UTF-16 units sort surrogates too early). */
export function compareNames(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

/** `report.pdf` → `report`, `.pdf`. A leading dot begins no extension. */
function splitExtension(name: string): [stem: string, extension: string] {
  const dot = name.lastIndexOf('.')
  if (dot <= 0 || utf8Length(name.slice(dot)) > MAX_EXTENSION_BYTES) return [name, '']
  return [name.slice(0, dot), name.slice(dot)]
}

/** The longest prefix of at most `bytes` bytes that ends at a code point. */
function truncate(text: string, bytes: number): string {
  let length = 0
  let kept = ''
  for (const point of text) {
    length += utf8Length(point)
    if (length > bytes) break
    kept += point
  }
  return kept
}

/**
 * The name that an item shows while a sibling has its own: the suffix stands before the extension, and the stem is cut to fit
 * (PROTOCOL.md §5.6). `step` 0 has eight digits of the item id; 1 has all of them; further steps add a number. Undefined: step 0 does not fit
 * without cutting, so that equal names always come of equal record names.
 */
export function suffixedName(name: string, item: ItemId, step: number): string | undefined {
  const mark = step === 0 ? item.slice(0, 8) : step === 1 ? item : `${item}-${step}`
  const [stem, extension] = splitExtension(name)
  const suffix = ` (${mark})${extension}`
  const room = MAX_NAME_BYTES - utf8Length(suffix)
  if (utf8Length(stem) <= room) return stem + suffix
  return step === 0 ? undefined : truncate(stem, room) + suffix
}

const SUFFIX = /^(.*) \(([0-9a-f]{8}|[0-9a-f]{32}(?:-\d+)?)\)(\.[^.]*)?$/s

/** What a name would be the suffixed form of: the record name it came from (step 0) or the item (further steps). */
export function parseSuffixed(name: string): { base: string } | { item: ItemId } | undefined {
  const match = SUFFIX.exec(name)
  if (match === null) return undefined
  const mark = match[2]!
  return mark.length === 8 ? { base: match[1] + (match[3] ?? '') } : { item: mark.slice(0, 32) }
}
