import type { DeviceCertificate } from '../access/types.js'
import { Emitter } from '../async/emitter.js'
import { PeerfoldError } from '../errors.js'
import type { DeviceId, UserId, WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { SyncAuthority } from '../sync/types.js'
import type { IdentityStore } from './identity-store.js'
import type { Workspaces } from './workspaces.js'

/** Who may replicate what with this device: active devices of its user, all workspaces. */
export class DeviceAuthority implements SyncAuthority {
  readonly #identity: IdentityStore
  readonly #workspaces: Workspaces
  readonly #events = new Emitter<{ change: () => void }>()

  constructor(identity: IdentityStore, workspaces: Workspaces) {
    this.#identity = identity
    this.#workspaces = workspaces
    identity.onChange(() => this.#events.emit('change'))
    workspaces.onChange(() => this.#events.emit('change'))
  }

  async identity(): Promise<{ user: UserId; entries: Uint8Array[] }> {
    return { user: this.#identity.user, entries: this.#identity.entries() }
  }

  async admit(peer: PeerId, presented: { user: UserId; entries: Uint8Array[] }): Promise<DeviceCertificate> {
    if (presented.user !== this.#identity.user)
      throw new PeerfoldError('UNAUTHORIZED', `${peer} is a device of another user`)
    // Who is revoked here learns so even when its own entries don't say it; who was certified elsewhere brings the proof along.
    const standing = await this.#identity.meet(peer, presented.entries)
    if (standing === undefined) throw new PeerfoldError('UNAUTHORIZED', `${peer} is no device of this user`)
    if (standing.state !== 'active')
      throw new PeerfoldError('DEVICE_REVOKED', `${standing.certificate.name} is ${standing.state}`)
    return standing.certificate
  }

  async handles(device: DeviceId): Promise<ReadonlySet<WorkspaceHandle>> {
    return new Set(this.#isActive(device) ? this.#workspaces.handles() : [])
  }

  async grants(device: DeviceId): Promise<Uint8Array[]> {
    const standing = this.#identity.standings.get(device)
    return standing?.state === 'active' ? await this.#workspaces.grantsFor(standing.certificate) : []
  }

  async accept(from: DeviceId, grants: readonly Uint8Array[]): Promise<void> {
    const standing = this.#identity.standings.get(from)
    if (standing?.state === 'active') await this.#workspaces.accept(standing.certificate, grants)
  }

  onChange(listener: () => void): () => void {
    return this.#events.on('change', listener)
  }

  #isActive(device: DeviceId): boolean {
    return this.#identity.standings.get(device)?.state === 'active'
  }
}
