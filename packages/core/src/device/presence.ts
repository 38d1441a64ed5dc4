import type { DeviceId } from '../ports/ids.js'
import type { Carrier } from '../ports/network.js'
import type { Sync } from '../sync/types.js'

/** Who is here, and when the others were seen last. */
export class Presence {
  readonly #sync: Sync | undefined
  readonly #earlier: (device: DeviceId) => number | undefined
  readonly #lastSeen = new Map<DeviceId, Date>()

  /** @param earlier when a device was seen in an earlier run, milliseconds */
  constructor(
    sync: Sync | undefined,
    now: () => number,
    earlier: (device: DeviceId) => number | undefined = () => undefined,
  ) {
    this.#sync = sync
    this.#earlier = earlier
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
    const now = this.#lastSeen.get(device)
    if (now !== undefined) return now
    const earlier = this.#earlier(device)
    return earlier === undefined ? undefined : new Date(earlier)
  }

  #find(device: DeviceId) {
    return this.#sync?.peers().find((peer) => peer.device === device)
  }
}
