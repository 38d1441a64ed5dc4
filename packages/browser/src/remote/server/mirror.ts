import type { Peerfold } from '@peerfold/core'
import { Wakeup } from '@peerfold/core/async'
import type { DeviceState } from '../wire.js'

/** What clients can ask for without waiting, kept up to date for all of them. */
export class ServerMirror {
  readonly #peerfold: Peerfold
  readonly #changed = new Wakeup()
  #state: DeviceState
  #stop: (() => void) | undefined

  constructor(peerfold: Peerfold) {
    this.#peerfold = peerfold
    this.#state = read(peerfold)
    this.refresh()
  }

  /** Another object after each change. */
  get state(): DeviceState {
    return this.#state
  }

  /** Reads all anew: after calls that may have changed more than the status tells by itself. */
  refresh(): void {
    if (this.#stop === undefined && this.#peerfold.hasIdentity)
      // The first call comes at once.
      this.#stop = this.#peerfold.status.subscribe(() => this.#take())
    else this.#take()
  }

  /** Resolves when the state is another than `seen`. */
  async differsFrom(seen: DeviceState | undefined, signal: AbortSignal): Promise<void> {
    while (this.#state === seen) await this.#changed.wait({ signal })
  }

  close(): void {
    this.#stop?.()
  }

  #take(): void {
    const state = read(this.#peerfold)
    if (isSame(state, this.#state)) return
    this.#state = state
    this.#changed.wake()
  }
}

function read(peerfold: Peerfold): DeviceState {
  const { hasIdentity } = peerfold
  return {
    hasIdentity,
    device: hasIdentity ? peerfold.device : undefined,
    status: hasIdentity ? peerfold.status.value : undefined,
    relays: peerfold.relays.list(),
  }
}

function isSame(a: DeviceState, b: DeviceState): boolean {
  return (
    a.hasIdentity === b.hasIdentity &&
    a.status === b.status &&
    JSON.stringify([a.device, a.relays]) === JSON.stringify([b.device, b.relays])
  )
}
