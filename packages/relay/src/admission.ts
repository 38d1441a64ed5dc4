import { readFile, stat } from 'node:fs/promises'
import { isPeerfoldError, type PeerId } from '@peerfold/core'
import { keyOfPeerId } from '@peerfold/core/relay'
import type { RelayLog } from './types.js'

/** A file of PeerIds is never larger than this. */
const MAX_BYTES = 1024 * 1024

export interface AdmissionInit {
  /** One PeerId a line; `#` begins a comment. */
  file: string
  /** Whether everyone may begin a mailbox. */
  open: boolean
  log: RelayLog
}

/** Who may begin a mailbox (PROTOCOL.md §10.4). The file is read again whenever it changed: `peerfold-relay allow` needs no restart. */
export class Admission {
  readonly #init: AdmissionInit
  #known: { version: string; peers: ReadonlySet<PeerId> } = { version: '', peers: new Set() }

  constructor(init: AdmissionInit) {
    this.#init = init
  }

  async allows(peer: PeerId): Promise<boolean> {
    if (this.#init.open) return true
    await this.#refresh()
    return this.#known.peers.has(peer)
  }

  /** Nobody is allowed by a file that is missing or cannot be read. */
  async #refresh(): Promise<void> {
    const { file, log } = this.#init
    try {
      const { mtimeMs, size, ino } = await stat(file)
      const version = `${mtimeMs}/${size}/${ino}`
      if (version === this.#known.version || size > MAX_BYTES) return
      this.#known = { version, peers: parse(await readFile(file, 'utf8'), log) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        log.warn({ code: (error as NodeJS.ErrnoException).code }, 'the list of allowed peers cannot be read')
      }
      this.#known = { version: '', peers: new Set() }
    }
  }
}

function parse(text: string, log: RelayLog): Set<PeerId> {
  const peers = new Set<PeerId>()
  for (const [i, line] of text.split('\n').entries()) {
    const peer = line.replace(/#.*/, '').trim()
    if (peer === '') continue
    if (isPeer(peer)) peers.add(peer)
    else log.warn({ line: i + 1 }, 'the list of allowed peers: not a PeerId')
  }
  return peers
}

function isPeer(text: string): boolean {
  try {
    keyOfPeerId(text)
    return true
  } catch (error) {
    if (isPeerfoldError(error)) return false
    throw error
  }
}
