import type { DeviceId } from '../ports/ids.js'
import type { Carrier } from '../ports/network.js'
import type { Sync } from '../sync/types.js'

/** Who is here, and when the others were seen last in this run. */
export class Presence {
  readonly #sync: Sync | undefined
  readonly #lastSeen = new Map<DeviceId, Date>()

  constructor(sync: Sync | undefined, now: () => number) {
    this.#sync = sync
    sync?.on('open', ({ device }) => this.#lastSeen.set(device, new Date(now())))
    sync?.on('closed', ({ device }) => this.#lastSeen.set(device, new Date(now())))
  }

  isConnected(device: DeviceId): boolean {
    return this.#find(device) !== undefined
  }

  carrier(device: DeviceId): Carrier | undefined {
    return this.#find(device)?.connection.carrier
  }

  lastSeen(device: DeviceId): Date | undefined {
    return this.#lastSeen.get(device)
  }

  #find(device: DeviceId) {
    return this.#sync?.peers().find((peer) => peer.device === device)
  }
}
