import { type DeviceInfo, type Live, PeerfoldError, type RelayListing, type Status } from '@peerfold/core'
import type { DeviceState } from '../wire.js'

/** What the client knows of the device without asking. Values stay the same objects until they change. */
export class ClientMirror implements Live<Status> {
  readonly #listeners = new Set<(status: Status) => void>()
  #state: DeviceState = { hasIdentity: false, device: undefined, status: undefined, relays: [] }

  get hasIdentity(): boolean {
    return this.#state.hasIdentity
  }

  /** @throws {PeerfoldError} `NO_IDENTITY` */
  get device(): DeviceInfo {
    return this.#state.device ?? throwNoIdentity()
  }

  get relays(): RelayListing[] {
    return this.#state.relays
  }

  /** Of the status. @throws {PeerfoldError} `NO_IDENTITY` */
  get value(): Status {
    return this.#state.status ?? throwNoIdentity()
  }

  /** @throws {PeerfoldError} `NO_IDENTITY` */
  get status(): Live<Status> {
    if (this.#state.status === undefined) throwNoIdentity()
    return this
  }

  /** Present name of a workspace, where the status knows it. */
  nameOf(workspace: string): string | undefined {
    return this.#state.status?.workspaces.find(({ id }) => id === workspace)?.name
  }

  subscribe(listener: (status: Status) => void): () => void {
    // Each subscription is one of its own, also of a function that has one already.
    const own = (status: Status) => listener(status)
    this.#listeners.add(own)
    own(this.value)
    return () => this.#listeners.delete(own)
  }

  update(next: DeviceState): void {
    const before = this.#state
    this.#state = {
      hasIdentity: next.hasIdentity,
      device: keep(before.device, next.device),
      status: keep(before.status, next.status),
      relays: keep(before.relays, next.relays),
    }
    const { status } = this.#state
    if (status === undefined || status === before.status) return
    for (const listener of [...this.#listeners]) listener(status)
  }
}

/** The former object where the new one says the same. */
function keep<T>(before: T, next: T): T {
  return JSON.stringify(before) === JSON.stringify(next) ? before : next
}

function throwNoIdentity(): never {
  throw new PeerfoldError('NO_IDENTITY', 'this device has no identity yet', {
    hint: 'Make a new identity, or join with a ticket or a recovery phrase.',
  })
}
