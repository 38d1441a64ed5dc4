import type { DeviceCertificate } from '../access/types.js'
import { toHex } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import type { WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { Channel } from './channel.js'
import { MAX_GRANTS, MAX_PEERS, MIB } from './limits.js'
import type { Message } from './messages.js'
import type { AddressBook, SyncAuthority } from './types.js'

export interface AnnouncerInit {
  channel: Channel<Message>
  authority: SyncAuthority
  peer: PeerId
  certificate: DeviceCertificate
  /** Identity entries that the peer presented last. */
  presented: () => { user: string; entries: Uint8Array[] }
  attached: () => ReadonlyMap<WorkspaceHandle, unknown>
  addresses: AddressBook | undefined
  /** Workspaces that the peer may replicate from now on. */
  authorized: (handles: ReadonlySet<WorkspaceHandle>) => void
  /** The set of offered workspaces changed. */
  offered: () => void
  /** The peer is no longer admitted, or the authority failed. */
  failed: (error: unknown) => void
}

/** Keeps one admitted peer up to date on what changes rarely: identity, grants, addresses, offered workspaces. */
export class Announcer {
  readonly #init: AnnouncerInit
  readonly #grants = new Set<string>()
  readonly #addresses = new Map<PeerId, string>()
  #offered: ReadonlyMap<WorkspaceHandle, unknown> | undefined
  #identity: string | undefined
  #running = false
  #again = false

  constructor(init: AnnouncerInit) {
    this.#init = init
  }

  /** What the peer was offered last: workspaces and what was attached for them. */
  get offered(): ReadonlyMap<WorkspaceHandle, unknown> {
    return this.#offered ?? new Map()
  }

  /** Asks the authority anew and tells the peer what changed. Calls during a run make one further run. */
  refresh(): void {
    this.#again = true
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    try {
      while (this.#again) {
        this.#again = false
        await this.#refresh()
      }
    } catch (error) {
      this.#init.failed(error)
    } finally {
      this.#running = false
    }
  }

  async #refresh(): Promise<void> {
    const { authority, peer, presented, certificate } = this.#init
    await authority.admit(peer, presented())
    const own = await this.#tellIdentity()
    if (own === certificate.user) {
      await this.#tellGrants()
      this.#tellAddresses()
    }
    await this.#tellOffer()
  }

  async #tellIdentity(): Promise<string> {
    const { user, entries } = await this.#init.authority.identity()
    const digest = toHex(sha256Now(...entries.map((entry) => sha256Now(entry))))
    const first = this.#identity === undefined
    const changed = this.#identity !== digest
    this.#identity = digest
    // the first one went out with hello
    if (changed && !first) this.#init.channel.post({ type: 'identity', entries })
    return user
  }

  async #tellGrants(): Promise<void> {
    const grants = await this.#init.authority.grants(this.#init.certificate.device)
    const fresh = grants.filter((grant) => !this.#grants.has(toHex(sha256Now(grant))))
    for (const part of parts(fresh)) this.#init.channel.post({ type: 'grants', grants: part })
    for (const grant of fresh) this.#grants.add(toHex(sha256Now(grant)))
  }

  #tellAddresses(): void {
    const known = (this.#init.addresses?.known() ?? []).filter(({ peer }) => peer !== this.#init.peer)
    const peers = known
      .slice(0, MAX_PEERS)
      .filter(({ peer, addresses }) => this.#addresses.get(peer) !== addresses.join(' '))
    if (peers.length === 0) return
    for (const { peer, addresses } of peers) this.#addresses.set(peer, addresses.join(' '))
    this.#init.channel.post({ type: 'addresses', peers })
  }

  async #tellOffer(): Promise<void> {
    const allowed = await this.#init.authority.handles(this.#init.certificate.device)
    this.#init.authorized(allowed)
    const before = this.#offered
    const offered = new Map([...this.#init.attached()].filter(([handle]) => allowed.has(handle)))
    const kept = [...offered].filter(([handle, what]) => before?.get(handle) === what)
    if (before !== undefined && kept.length === offered.size && kept.length === before.size) return
    this.#offered = offered
    // what was attached anew is withdrawn first, so that the peer forgets what it knew of its state
    const again = [...offered].some(([handle, what]) => before?.has(handle) && before.get(handle) !== what)
    if (again) this.#offer(kept.map(([handle]) => handle))
    this.#offer([...offered.keys()])
    this.#init.offered()
  }

  #offer(handles: WorkspaceHandle[]): void {
    this.#init.channel.post({ type: 'offer', handles: handles.sort() })
  }
}

/** Grants in messages that keep within the size limit. */
function parts(grants: readonly Uint8Array[]): Uint8Array[][] {
  const all: Uint8Array[][] = []
  let size = 0
  for (const grant of grants) {
    const last = all.at(-1)
    if (last === undefined || size + grant.length > MIB / 2 || last.length >= MAX_GRANTS) {
      all.push([grant])
      size = grant.length
    } else {
      last.push(grant)
      size += grant.length
    }
  }
  return all
}
