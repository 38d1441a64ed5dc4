import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerfoldError, type PeerId } from '@peerfold/core'
import { MAX_BUNDLE_BYTES, MAX_BUNDLES, Mutex } from '@peerfold/core/relay'
import type { Health } from './health.js'

export interface BundlesInit {
  directory: string
  health: Health
  /** Of all bundles together. */
  maxBytes: number
}

const ID = /^[0-9a-f]{64}$/
const PEER = /^[1-9A-HJ-NP-Za-km-z]{1,64}$/
const TEMPORARY = '.new'

/**
 * Recovery bundles (PROTOCOL.md §10.7): files `<id>/<PeerId>`, one for each device. What they hold is sealed for the recovery phrase. A device has one
 * bundle: when it keeps one under another id, the one before goes.
 */
export class Bundles {
  readonly #init: BundlesInit
  readonly #turn = new Mutex()
  /** Id and bytes of each device's bundle. */
  readonly #kept: Map<PeerId, { id: string; bytes: number }>
  #bytes: number

  private constructor(init: BundlesInit, kept: Map<PeerId, { id: string; bytes: number }>) {
    this.#init = init
    this.#kept = kept
    this.#bytes = [...kept.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  static async open(init: BundlesInit): Promise<Bundles> {
    await mkdir(init.directory, { recursive: true, mode: 0o700 })
    const kept = new Map<PeerId, { id: string; bytes: number }>()
    for (const id of (await readdir(init.directory)).filter((name) => ID.test(name))) {
      for (const name of await readdir(join(init.directory, id))) {
        const path = join(init.directory, id, name)
        if (!PEER.test(name)) await rm(path, { force: true })
        else kept.set(name, { id, bytes: (await stat(path)).size })
      }
    }
    return new Bundles(init, kept)
  }

  /**
   * Durable when it resolves.
   * @throws {PeerfoldError} `QUOTA_EXCEEDED`, and why the relay is read-only
   */
  keep(id: string, peer: PeerId, bundle: Uint8Array): Promise<void> {
    return this.#turn.run(async () => {
      this.#init.health.checkWritable()
      const before = this.#kept.get(peer)
      this.#checkRoom(id, peer, bundle.length)
      await this.#write(id, peer, bundle).catch((cause) => {
        throw this.#init.health.failed(asDiskError(cause))
      })
      this.#kept.set(peer, { id, bytes: bundle.length })
      this.#bytes += bundle.length - (before?.bytes ?? 0)
      if (before !== undefined && before.id !== id) await this.#remove(before.id, peer)
    })
  }

  /** Who has kept one under this id, the newest last kept first. */
  holders(id: string): PeerId[] {
    return [...this.#kept].flatMap(([peer, kept]) => (kept.id === id ? [peer] : []))
  }

  /** Undefined when it went away meanwhile. */
  async read(id: string, peer: PeerId): Promise<Uint8Array | undefined> {
    const bytes = await readFile(join(this.#init.directory, id, peer)).catch((cause) => {
      if (cause.code === 'ENOENT') return undefined
      throw asDiskError(cause)
    })
    if (bytes === undefined || bytes.length === 0 || bytes.length > MAX_BUNDLE_BYTES) return undefined
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  #checkRoom(id: string, peer: PeerId, bytes: number): void {
    const before = this.#kept.get(peer)
    if (this.#bytes - (before?.bytes ?? 0) + bytes > this.#init.maxBytes) {
      throw new PeerfoldError('QUOTA_EXCEEDED', 'the relay has no more room for recovery bundles')
    }
    if (before?.id !== id && this.holders(id).length >= MAX_BUNDLES) {
      throw new PeerfoldError('QUOTA_EXCEEDED', `there are ${MAX_BUNDLES} bundles of this user already`)
    }
  }

  /** Written aside, synced, renamed, and the name synced: there is always one whole bundle. */
  async #write(id: string, peer: PeerId, bundle: Uint8Array): Promise<void> {
    const folder = join(this.#init.directory, id)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const temporary = join(folder, peer + TEMPORARY)
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(bundle)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, join(folder, peer))
    await syncDirectory(folder)
    await syncDirectory(this.#init.directory)
  }

  /** An empty directory that stays is no harm. */
  async #remove(id: string, peer: PeerId): Promise<void> {
    const folder = join(this.#init.directory, id)
    await rm(join(folder, peer), { force: true }).catch(() => {})
    await rmdir(folder).catch(() => {})
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  await directory.sync().finally(() => directory.close())
}

function asDiskError(cause: NodeJS.ErrnoException): PeerfoldError {
  const full = cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
  return new PeerfoldError(full ? 'STORE_FULL' : 'IO_FAILED', `recovery bundles: ${cause.code ?? 'failed'}`, {
    cause,
  })
}
