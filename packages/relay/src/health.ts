import { open, rm, stat, statfs } from 'node:fs/promises'
import { type Clock, isPeerfoldError, PeerfoldError } from '@peerfold/core'
import { reserveOf } from './home.js'
import type { RelayLimits } from './limits/defaults.js'
import type { RelayLog } from './types.js'

const RESERVE_BYTES = 16 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024
/** How often a relay whose disk is full looks whether there is room again, milliseconds. */
const LOOK_MS = 10_000
/** What devices are told to wait meanwhile. */
const RETRY_MS = 30_000
/** How often to look how full the disk is, milliseconds. */
const WATCH_MS = 2_000

export interface HealthInit {
  directory: string
  clock: Clock
  log: RelayLog
  /** Percent of the disk in use from which blocks, and from which commits are refused. */
  watermarks: Pick<RelayLimits, 'refuseBlocksAt' | 'refuseCommitsAt'>
}

/**
 * Whether the relay may take anything. After a failed sync nobody knows what the disk holds, so it stays read-only until it is started again: an
 * acknowledgement must never be wrong. A full disk is different: appends are taken back whole, the reserve is given up so that deleting works, and when
 * there is room for a reserve again, there is room for everything (PROTOCOL.md §10.9).
 */
export class Health {
  readonly #init: HealthInit
  readonly #stop = new AbortController()
  #failure: PeerfoldError | undefined
  #looking: Promise<void> | undefined
  #watching: Promise<void> | undefined
  /** Of the disk, percent. */
  #used = 0

  constructor(init: HealthInit) {
    this.#init = init
  }

  /** Why nothing is taken. */
  get failure(): PeerfoldError | undefined {
    if (this.#failure !== undefined) return this.#failure
    return this.#used >= this.#init.watermarks.refuseCommitsAt ? this.#nearlyFull() : undefined
  }

  /** Makes the reserve, if there is room. */
  async start(): Promise<void> {
    if (!(await this.#makeReserve())) this.full()
    await this.#measure()
    this.#watching ??= this.#watch()
  }

  /** @throws {PeerfoldError} why nothing is taken */
  checkWritable(): void {
    const { failure } = this
    if (failure !== undefined) throw failure
  }

  /** As `checkWritable`, but blocks are refused earlier than commits: those are small, and what a device misses most. */
  checkRoomForBlocks(): void {
    this.checkWritable()
    if (this.#used >= this.#init.watermarks.refuseBlocksAt) throw this.#nearlyFull()
  }

  /** As `checkWritable`, but for what makes room or is needed to close. */
  checkAlive(): void {
    if (this.#failure !== undefined && !isPeerfoldError(this.#failure, 'STORE_FULL')) throw this.#failure
  }

  /** The disk refused. Returns what to tell others. */
  failed(cause: unknown): PeerfoldError {
    if (isPeerfoldError(cause, 'STORE_FULL')) return this.full()
    // A store that was closed says nothing of the disk.
    if (isPeerfoldError(cause, 'CLOSED')) return cause
    const known = isPeerfoldError(cause) ? cause : undefined
    const failure = new PeerfoldError(
      known?.code ?? 'IO_FAILED',
      `the relay is read-only: ${reason(cause)}`,
      {
        cause,
        retryable: true,
        details: { retryAfter: RETRY_MS },
        hint: 'Check the disk, then start the relay again.',
      },
    )
    if (this.#failure === undefined || isPeerfoldError(this.#failure, 'STORE_FULL')) {
      this.#failure = failure
      this.#init.log.error({ code: failure.code, reason: reason(cause) }, 'read-only until the next start')
    }
    return failure
  }

  full(): PeerfoldError {
    if (this.#failure !== undefined) return this.#failure
    this.#failure = new PeerfoldError('STORE_FULL', 'the relay is read-only: its disk is full', {
      details: { retryAfter: RETRY_MS },
    })
    this.#init.log.error({ code: 'STORE_FULL' }, 'read-only until there is room on the disk')
    this.#looking ??= this.#look()
    return this.#failure
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#looking, this.#watching])
  }

  #nearlyFull(): PeerfoldError {
    return new PeerfoldError('STORE_FULL', `the disk is ${Math.round(this.#used)} % full`, {
      details: { retryAfter: RETRY_MS },
    })
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#init.clock.sleep(WATCH_MS, { signal }).catch(() => {})
      const before = this.failure
      await this.#measure()
      if (before === undefined && this.failure !== undefined) {
        this.#init.log.warn(
          { percent: Math.round(this.#used) },
          'the disk is nearly full: commits are refused',
        )
      }
    }
  }

  /** A disk that cannot be measured is found out by writing to it. */
  async #measure(): Promise<void> {
    const found = await statfs(this.#init.directory).catch(() => undefined)
    if (found === undefined || found.blocks === 0) return
    this.#used = 100 * (1 - found.bavail / found.blocks)
  }

  async #look(): Promise<void> {
    await rm(this.#path, { force: true }).catch(() => {})
    const { clock, log } = this.#init
    const { signal } = this.#stop
    while (isPeerfoldError(this.#failure, 'STORE_FULL') && !signal.aborted) {
      await clock.sleep(LOOK_MS, { signal }).catch(() => {})
      if (signal.aborted || !(await this.#makeReserve())) continue
      if (!isPeerfoldError(this.#failure, 'STORE_FULL')) break
      this.#failure = undefined
      log.info({}, 'there is room on the disk again')
    }
    this.#looking = undefined
  }

  /** Bytes, not a hole: only what was written is really there. */
  async #makeReserve(): Promise<boolean> {
    try {
      const size = await stat(this.#path).then(
        (found) => found.size,
        () => 0,
      )
      if (size === RESERVE_BYTES) return true
      const file = await open(this.#path, 'w', 0o600)
      try {
        const piece = new Uint8Array(PIECE_BYTES).fill(0x2e)
        for (let at = 0; at < RESERVE_BYTES; at += PIECE_BYTES) await file.writeFile(piece)
        await file.datasync()
      } finally {
        await file.close()
      }
      return true
    } catch {
      await rm(this.#path, { force: true }).catch(() => {})
      return false
    }
  }

  get #path(): string {
    return reserveOf(this.#init.directory)
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
