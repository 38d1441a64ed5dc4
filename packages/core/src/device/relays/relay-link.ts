import { isPeerfoldError, PeerfoldError } from '../../errors.js'
import type { Exchange } from '../../exchange/types.js'
import type { Clock } from '../../ports/clock.js'
import type { Crypto } from '../../ports/crypto.js'
import type { WorkspaceHandle } from '../../ports/ids.js'
import type { Network, PeerId } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { RelaySession } from '../../relay/session.js'
import { Backoff } from '../../sync/backoff.js'
import type { WorkspaceRuntime } from '../workspace-runtime.js'
import { MailboxLink } from './mailbox-link.js'
import type { MailboxMemory } from './mailbox-memory.js'

export interface RelayLinkInit {
  relay: PeerId
  network: Network
  exchange: Exchange
  memory: MailboxMemory
  crypto: Crypto
  clock: Clock
  random: Random
  workspaces(): WorkspaceRuntime[]
  /** What a person needs to recover, under the id where relays keep it. Undefined while there is nothing to recover. */
  bundle(): Promise<{ id: string; bytes: Uint8Array; version: string } | undefined>
  onChange(): void
  /** A session is up: others who use this relay can be found through its DHT. */
  onSession(): void
}

const RETRY = { first: 1_000, most: 60_000 }

/** One relay: a session whenever it is connected, and in it a mailbox for each workspace. */
export class RelayLink {
  readonly #init: RelayLinkInit
  readonly #closing = new AbortController()
  readonly #links = new Map<WorkspaceHandle, MailboxLink>()
  readonly #failures = new Map<WorkspaceHandle, PeerfoldError>()
  readonly #opened = new Set<WorkspaceHandle>()
  /** Ends what is done for a workspace. */
  readonly #tending = new Map<WorkspaceHandle, { workspace: WorkspaceRuntime; stop: AbortController }>()
  readonly #tasks = new Set<Promise<unknown>>()
  #session: RelaySession | undefined
  #running: Promise<void> | undefined
  #failure: PeerfoldError | undefined
  /** The relay contradicted what it signed. Stays until the relay is removed, or this device restarts. */
  lie: PeerfoldError | undefined
  #kept: string | undefined
  #keeping: Promise<void> | undefined

  constructor(init: RelayLinkInit) {
    this.#init = init
  }

  get connected(): boolean {
    return this.#session !== undefined
  }

  get session(): RelaySession | undefined {
    return this.#session
  }

  /** Why nothing can be sent there. */
  get failure(): PeerfoldError | undefined {
    return this.lie ?? this.#failure ?? [...this.#failures.values()][0]
  }

  holdsAll(handle: WorkspaceHandle): boolean {
    return this.#links.get(handle)?.holdsAll === true
  }

  /** Whether the relay holds all that is here, and all that lies there is here. */
  isEven(handle: WorkspaceHandle): boolean {
    return this.holdsAll(handle) && this.#links.get(handle)?.caughtUp === true
  }

  usage(): { bytes: number; quota: number } {
    const all = [...this.#links.values()].flatMap(({ usage }) => usage ?? [])
    return {
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      quota: all.reduce((sum, { quota }) => sum + quota, 0),
    }
  }

  /** The network is connected to the relay. */
  connect(): void {
    if (this.#closing.signal.aborted) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Workspaces came or went, or there may be something to send. */
  wake(): void {
    if (this.#session !== undefined) this.#reconcile(this.#session)
    for (const link of this.#links.values()) link.wake()
    this.#keepSoon()
  }

  async close(): Promise<void> {
    this.#closing.abort(new PeerfoldError('CLOSED', 'the relay is not used any more'))
    this.#session?.end(this.#closing.signal.reason)
    await this.#running
    await Promise.allSettled(this.#tasks)
  }

  async #run(): Promise<void> {
    const { network, clock, crypto, relay, random } = this.#init
    const { signal } = this.#closing
    const backoff = new Backoff({ ...RETRY, random })
    while (!signal.aborted && network.connections().some(({ peer }) => peer === relay)) {
      try {
        const session = await RelaySession.open({ network, clock, crypto, relay }, { signal })
        backoff.reset()
        await this.#hold(session)
      } catch (error) {
        this.#fail(error)
      }
      await clock.sleep(waitOf(this.#failure, backoff), { signal }).catch(() => {})
    }
  }

  async #hold(session: RelaySession): Promise<void> {
    this.#session = session
    this.#failure = undefined
    this.#kept = undefined
    session.on('changed', (handle, next) => this.#links.get(handle)?.grew(next))
    this.#reconcile(session)
    this.#init.onChange()
    this.#init.onSession()
    await new Promise<void>((resolve) =>
      session.ended.addEventListener('abort', () => resolve(), { once: true }),
    )
    this.#session = undefined
    for (const { stop } of this.#tending.values()) stop.abort(session.ended.reason)
    this.#tending.clear()
    this.#links.clear()
    this.#opened.clear()
    this.#authorize()
    this.#fail(session.ended.reason)
  }

  /** A link for each workspace that is open here. */
  #reconcile(session: RelaySession): void {
    const workspaces = new Map(this.#init.workspaces().map((workspace) => [workspace.handle, workspace]))
    for (const [handle, { workspace, stop }] of this.#tending) {
      if (workspaces.get(handle) === workspace) continue
      stop.abort(new PeerfoldError('CLOSED', 'the workspace was closed'))
      this.#tending.delete(handle)
      this.#links.delete(handle)
      this.#failures.delete(handle)
      this.#opened.delete(handle)
      this.#authorize()
    }
    for (const [handle, workspace] of workspaces) {
      if (this.#tending.has(handle)) continue
      const stop = new AbortController()
      this.#tending.set(handle, { workspace, stop })
      this.#track(this.#tend(session, workspace, AbortSignal.any([stop.signal, session.ended])))
    }
  }

  /** Keeps a mailbox in step; after a failure again, a little later. */
  async #tend(session: RelaySession, workspace: WorkspaceRuntime, signal: AbortSignal): Promise<void> {
    const { clock, crypto, memory, random, onChange } = this.#init
    const { handle } = workspace
    const backoff = new Backoff({ ...RETRY, random })
    const stops = [workspace.log.on('commit', () => this.#links.get(handle)?.wake())]
    while (!signal.aborted) {
      const link = new MailboxLink({
        session,
        workspace,
        memory,
        crypto,
        onOpen: () => this.#open(handle),
        onChange: () => {
          backoff.reset()
          this.#failures.delete(handle)
          onChange()
        },
        onLie: (error) => {
          this.lie ??= error
          onChange()
        },
      })
      this.#links.set(handle, link)
      const error = await link.run({ signal }).catch((reason: unknown) => asPeerfoldError(reason))
      if (signal.aborted) break
      this.#failures.set(handle, error)
      onChange()
      await clock.sleep(waitOf(error, backoff), { signal }).catch(() => {})
    }
    for (const stop of stops) stop()
  }

  #open(handle: WorkspaceHandle): void {
    this.#opened.add(handle)
    this.#authorize()
    this.#keepSoon()
  }

  #authorize(): void {
    const { exchange, relay } = this.#init
    if (this.#opened.size > 0 && !this.#closing.signal.aborted) exchange.authorize(relay, this.#opened)
    else exchange.revoke(relay)
  }

  /** Leaves the recovery bundle, once for each that differs. */
  #keepSoon(): void {
    const session = this.#session
    if (session === undefined || this.#opened.size === 0 || this.#keeping !== undefined) return
    const keep = async () => {
      const bundle = await this.#init.bundle()
      if (bundle === undefined || bundle.version === this.#kept) return
      await session.keep(bundle.id, bundle.bytes, { signal: this.#closing.signal })
      this.#kept = bundle.version
    }
    this.#keeping = keep().then(
      () => {},
      (error: unknown) => this.#fail(error),
    )
    this.#track(
      this.#keeping.finally(() => {
        this.#keeping = undefined
      }),
    )
  }

  #fail(error: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#failure = asPeerfoldError(error)
    this.#init.onChange()
  }

  #track(task: Promise<unknown>): void {
    const settled = task.catch(() => {}).finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }
}

/** As long as the relay asks, or longer each time. */
function waitOf(error: PeerfoldError | undefined, backoff: Backoff): number {
  const asked = error?.details.retryAfter
  const own = backoff.next()
  return typeof asked === 'number' ? Math.max(asked, own) : own
}

function asPeerfoldError(error: unknown): PeerfoldError {
  if (isPeerfoldError(error)) return error
  return new PeerfoldError('INTERNAL', error instanceof Error ? error.message : String(error), {
    cause: error,
  })
}
