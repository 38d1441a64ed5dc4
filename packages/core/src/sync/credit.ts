import { Wakeup } from '../async/wakeup.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import { CREDIT } from './limits.js'

/** What this end may have under way to a peer: batches sent and not yet acknowledged, by number. Bounds both ends' memory. */
export class Credit {
  readonly #batches = new Map<number, number>()
  readonly #freed = new Wakeup()
  #outstanding = 0
  #last = 0

  /** Waits for room and takes it. */
  async take(cost: number, options?: AbortOptions): Promise<void> {
    while (this.#outstanding > 0 && this.#outstanding + cost > CREDIT) await this.#freed.wait(options)
    options?.signal?.throwIfAborted()
    this.#outstanding += cost
  }

  /** The number of a batch for which room was taken, at the moment it is sent: numbers grow in the order of sending. */
  number(cost: number): number {
    this.#batches.set(++this.#last, cost)
    return this.#last
  }

  /** @throws {PeerfoldError} `MESSAGE_INVALID` when no such batch is under way */
  release(batch: number): void {
    const cost = this.#batches.get(batch)
    if (cost === undefined)
      throw new PeerfoldError('MESSAGE_INVALID', `ack of batch ${batch}, which is not under way`)
    this.#batches.delete(batch)
    this.#outstanding -= cost
    this.#freed.wake()
  }
}

/** The mirror at the receiver: refuses what a sender that counts would not have sent. */
export class Debt {
  #owed = 0
  #last = 0

  /** @throws {PeerfoldError} `MESSAGE_INVALID` */
  add(batch: number, cost: number): void {
    if (batch <= this.#last) throw new PeerfoldError('MESSAGE_INVALID', `batch ${batch} after ${this.#last}`)
    if (this.#owed > 0 && this.#owed + cost > CREDIT) {
      throw new PeerfoldError('MESSAGE_INVALID', `${this.#owed + cost} bytes under way, at most ${CREDIT}`)
    }
    this.#last = batch
    this.#owed += cost
  }

  settle(cost: number): void {
    this.#owed -= cost
  }
}
