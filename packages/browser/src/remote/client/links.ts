import { type AbortOptions, isPeerfoldError, PeerfoldError } from '@peerfold/core'
import { raceSignal, Wakeup, withDeadline } from '@peerfold/core/async'
import { systemClock } from '@peerfold/core/platform'
import type { Channel } from '../../tabs/channel.js'
import { CONNECT_MS } from '../limits.js'
import type { DeviceState } from '../wire.js'
import { Link } from './link.js'
import type { LinkSource } from './link-source.js'
import { ClientMirror } from './mirror.js'

/** After a failed attempt to connect. */
const RETRY_MS = 1_000

export interface LinksInit {
  /** Connects to the device that runs now, waiting for one; rejects only with what waiting does not mend. */
  dial(options: Required<AbortOptions>): Promise<Channel>
  /** How long calls wait for a connection, in milliseconds. @default 30000 */
  deadlineMs?: number
}

/** Keeps a client connected to the device, whichever tab runs it. */
export class Links implements LinkSource {
  readonly mirror = new ClientMirror()
  readonly #init: LinksInit
  readonly #closing = new AbortController()
  readonly #changed = new Wakeup()
  #link: Link | undefined
  #failure: unknown

  constructor(init: LinksInit) {
    this.#init = init
    void this.#run()
  }

  async current({ signal }: AbortOptions = {}): Promise<Link> {
    if (this.#link !== undefined && !this.#link.lost.aborted) return this.#link
    const ms = this.#init.deadlineMs ?? CONNECT_MS
    try {
      return await withDeadline(systemClock, ms, 'connecting to the device', (late) => this.#next(late), {
        signal,
      })
    } catch (error) {
      if (isPeerfoldError(error, 'TIMEOUT') && error !== signal?.reason) throw noDevice(ms, this.#failure)
      throw error
    }
  }

  /** What keeps this client from a device, such as that it could not be opened here: calls that wait fail with it. */
  report(failure: unknown): void {
    this.#failure = failure
    this.#changed.wake()
  }

  close(): void {
    this.#closing.abort(new PeerfoldError('CLOSED', 'this client was closed'))
    this.#link?.close(this.#closing.signal.reason)
    this.#changed.wake()
  }

  async #next(signal: AbortSignal): Promise<Link> {
    for (;;) {
      this.#closing.signal.throwIfAborted()
      if (this.#link !== undefined && !this.#link.lost.aborted) return this.#link
      if (this.#failure !== undefined) throw this.#failure
      await this.#changed.wait({ signal })
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await this.#connect(signal)
      } catch (error) {
        if (signal.aborted) return
        this.report(error)
        await systemClock.sleep(RETRY_MS, { signal }).catch(() => {})
      }
    }
  }

  /** Resolves when the connection that it made has ended. */
  async #connect(signal: AbortSignal): Promise<void> {
    const channel = await this.#init.dial({ signal })
    const link = new Link(channel, (state) => this.mirror.update(state))
    if (signal.aborted) return link.close(signal.reason)
    try {
      await this.#follow(link)
      this.#failure = undefined
      this.#link = link
      this.#changed.wake()
      await new Promise<void>((resolve) => {
        if (link.lost.aborted) resolve()
        link.lost.addEventListener('abort', () => resolve(), { once: true })
      })
    } finally {
      this.#link = undefined
      link.close()
    }
  }

  /** Resolves when the device's state is here, which is kept up to date from then on. */
  async #follow(link: Link): Promise<void> {
    const first = new Promise<void>((resolve, reject) => {
      const exchange = link.open(
        { method: 'state', window: 1 },
        {
          onItems: (items) => {
            this.mirror.update(items.at(-1) as DeviceState)
            exchange.credit(1)
            resolve()
          },
          onDone: () => {},
          onFail: reject,
        },
      )
    })
    await raceSignal(first, link.lost)
  }
}

function noDevice(ms: number, cause: unknown): PeerfoldError {
  return new PeerfoldError('NOT_CONNECTED', `no tab of this app has answered for ${ms} ms`, {
    cause,
    hint: 'Open the app in a tab, or reload it.',
  })
}
