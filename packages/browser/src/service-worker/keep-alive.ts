/**
 * Browsers end a service worker that has had no event for half a minute, and no event counts for more than some minutes, though a long film or
 * download is still being read. So while a body is under way, the worker asks the pages for a message now and then.
 */

const PERIOD_MS = 20_000

/** From the worker to pages: say something. */
export const ASK = 'peerfold:say-something'
/** From pages to the worker. */
export const STAY = 'peerfold:stay'
/** From a page that no worker controls: it was loaded before the worker, or past it. */
export const CLAIM = 'peerfold:claim'

/** What the worker's global scope offers for it. */
export interface PageMessenger {
  clients: {
    matchAll(): Promise<readonly { postMessage(message: unknown, transfer?: Transferable[]): void }[]>
  }
}

/** Keeps the worker alive until all that it was given has settled. */
export class KeepAlive {
  readonly #scope: PageMessenger
  #busy = 0
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(scope: PageMessenger) {
    this.#scope = scope
  }

  until(finished: Promise<unknown>): void {
    this.#busy++
    this.#timer ??= setInterval(() => void this.#ask(), PERIOD_MS)
    const done = () => {
      if (--this.#busy > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    finished.then(done, done)
  }

  async #ask(): Promise<void> {
    for (const page of await this.#scope.clients.matchAll()) page.postMessage({ type: ASK })
  }
}
