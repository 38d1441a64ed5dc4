import type { DiskNode } from './disk-tree.js'

/**
 * When a changed file may be read, and when a vanished one may be taken for deleted. Editors save in several steps, copies and downloads
 * grow for a while, and a move across directories is seen in two halves: a short rest avoids half-written versions and false deletions.
 */
export interface PatienceInit {
  /** Milliseconds that a small file must be left alone before it is read. @default 100 */
  restMs: number
  /** The same for files over 1 MiB. @default 500 */
  largeRestMs: number
  /** How long something must be gone from its place to be deleted, or a file to be moved. @default 300 */
  goneMs: number
}

export const PATIENCE: PatienceInit = { restMs: 100, largeRestMs: 500, goneMs: 300 }

const LARGE = 1 << 20
/** A file published less than this ago must rest longer each time. */
const RECENT_MS = 30_000
const REST_MAX_MS = 30_000
/** However busy a file is, one of its states is published this often. */
const AT_LEAST_EVERY_MS = 60_000
/** Written this long ago by the wall clock: it rests already. */
const OLD_MS = 2_000
const RETRY_MS = 500
const RETRY_MAX_MS = 60_000

interface Published {
  at: number
  rest: number
}

interface Failed {
  times: number
  due: number
}

export class Patience {
  readonly #published = new Map<string, Published>()
  readonly #pendingSince = new Map<string, number>()
  readonly #goneSince = new Map<string, number>()
  readonly #failed = new Map<string, Failed>()

  constructor(private readonly init: PatienceInit) {}

  /** When (monotonic milliseconds) a changed file may be read. */
  readable(path: string, node: DiskNode, monotonic: number, wall: number): number {
    const failed = this.#failed.get(path)?.due ?? 0
    const since = this.#pendingSince.get(path) ?? monotonic
    this.#pendingSince.set(path, since)
    const recent = this.#published.get(path)
    const again = recent !== undefined && monotonic - recent.at < RECENT_MS
    const age = wall - Number(node.print.mtimeNs / 1_000_000n)
    if (!again && age > OLD_MS) return failed
    const rest = node.print.size > LARGE ? this.init.largeRestMs : this.init.restMs
    const due = node.seenAt + Math.max(rest, again ? recent.rest : 0)
    return Math.max(failed, Math.min(due, since + AT_LEAST_EVERY_MS))
  }

  /** Since when (monotonic milliseconds) a changed file waits to be read. */
  pendingSince(path: string): number | undefined {
    return this.#pendingSince.get(path)
  }

  published(path: string, monotonic: number): void {
    const recent = this.#published.get(path)
    const again = recent !== undefined && monotonic - recent.at < RECENT_MS + recent.rest
    const rest = again ? Math.min(REST_MAX_MS, Math.max(1_000, recent.rest * 2)) : this.init.restMs
    this.#published.set(path, { at: monotonic, rest })
    this.#pendingSince.delete(path)
    this.#failed.delete(path)
  }

  failed(path: string, monotonic: number): void {
    const times = (this.#failed.get(path)?.times ?? 0) + 1
    this.#failed.set(path, { times, due: monotonic + Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** times) })
  }

  /** When a vanished item may be taken for deleted, or moved. */
  deletable(item: string, monotonic: number): number {
    const since = this.#goneSince.get(item) ?? monotonic
    this.#goneSince.set(item, since)
    return since + this.init.goneMs
  }

  /** Forgets what is not pending any more. */
  prune(paths: ReadonlySet<string>, gone: ReadonlySet<string>, monotonic: number): void {
    for (const path of [...this.#pendingSince.keys()]) if (!paths.has(path)) this.#pendingSince.delete(path)
    for (const path of [...this.#failed.keys()]) if (!paths.has(path)) this.#failed.delete(path)
    for (const item of [...this.#goneSince.keys()]) if (!gone.has(item)) this.#goneSince.delete(item)
    for (const [path, { at, rest }] of [...this.#published])
      if (monotonic - at > RECENT_MS + rest) this.#published.delete(path)
  }
}
