import type { FileStat } from '../ports/file-system.js'

/**
 * What change detection remembers of a file: equal fingerprints mean that nobody wrote to it in between (unless it is racy, see
 * `isRacy`). Times are nanoseconds since 1970.
 */
export interface Fingerprint {
  dev: bigint
  ino: bigint
  size: number
  mtimeNs: bigint
  ctimeNs: bigint
  birthtimeNs: bigint
  mode: number
}

/** Of what is not there yet. */
export const NO_FINGERPRINT: Fingerprint = {
  dev: 0n,
  ino: 0n,
  size: 0,
  mtimeNs: 0n,
  ctimeNs: 0n,
  birthtimeNs: 0n,
  mode: 0,
}

export function fingerprintOf(stat: FileStat): Fingerprint {
  const { dev, ino, size, mtimeNs, ctimeNs, birthtimeNs, mode } = stat
  return { dev, ino, size, mtimeNs, ctimeNs, birthtimeNs, mode }
}

/** Nothing at all happened to the inode. */
export function sameFingerprint(a: Fingerprint, b: Fingerprint): boolean {
  return sameBytesLikely(a, b) && a.ctimeNs === b.ctimeNs && a.mode === b.mode
}

/** Same inode, size and mtime: only its metadata can have changed. */
export function sameBytesLikely(a: Fingerprint, b: Fingerprint): boolean {
  return sameInode(a, b) && a.size === b.size && a.mtimeNs === b.mtimeNs
}

export function sameInode(a: Fingerprint, b: Fingerprint): boolean {
  return a.dev === b.dev && a.ino === b.ino
}

/** One object under two names at two times, and not a recycled inode number. */
export function sameObject(a: Fingerprint, b: Fingerprint): boolean {
  if (!sameInode(a, b)) return false
  return a.birthtimeNs === b.birthtimeNs || (a.size === b.size && a.mtimeNs === b.mtimeNs)
}

export function inodeKey(print: Fingerprint): string {
  return `${print.dev}:${print.ino}`
}

const MILLISECOND = 1_000_000n

/** Modification time as versions carry it: whole milliseconds, rounded down. */
export function mtimeOf(print: Fingerprint): number {
  const whole = Number(print.mtimeNs / MILLISECOND)
  return print.mtimeNs % MILLISECOND < 0n ? whole - 1 : whole
}

/** Whether the owner may execute it. */
export function isExecutable(print: Fingerprint): boolean {
  return (print.mode & 0o100) !== 0
}

const COARSE_MS = 2_000
const FINE_MS = 50

/**
 * A file last touched so shortly before it was looked at (`now`, milliseconds) that a further write might leave the same fingerprint: one that
 * sets both times to what they are. File systems whose times show fractions of a millisecond tick every few milliseconds; the others may tick every
 * two seconds. Which kind it is, the change time tells, which nobody can set.
 */
export function isRacy(print: Fingerprint, now: number): boolean {
  return now < trustedFrom(print)
}

/** When (milliseconds) a fingerprint says all. */
export function trustedFrom(print: Fingerprint): number {
  const window = print.ctimeNs % MILLISECOND === 0n ? COARSE_MS : FINE_MS
  const older = print.mtimeNs < print.ctimeNs ? print.mtimeNs : print.ctimeNs
  return Number(older / MILLISECOND) + window
}

/** Whether waiting for that is worth it: a clock that runs far ahead of ours may take hours. */
export function isSoonTrusted(print: Fingerprint, now: number): boolean {
  return isRacy(print, now) && trustedFrom(print) - now <= COARSE_MS
}
