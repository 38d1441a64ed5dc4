import { Wakeup } from '../../async/wakeup.js'
import { isPeerfoldError, PeerfoldError } from '../../errors.js'
import type { FetchBlocks } from '../../exchange/fetch-blocks.js'
import { HttpRoute } from '../../exchange/http-route.js'
import type { Exchange } from '../../exchange/types.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { Clock } from '../../ports/clock.js'
import type { Crypto } from '../../ports/crypto.js'
import type { WorkspaceHandle } from '../../ports/ids.js'
import type { Network, PeerId } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { RelaySession } from '../../relay/session.js'
import { Backoff } from '../../sync/backoff.js'
import type { WorkspaceRuntime } from '../workspace-runtime.js'
import { headsOf, MailboxLink } from './mailbox-link.js'
import type { MailboxMemory } from './mailbox-memory.js'
import type { RecoveryOffer } from './recovery.js'
import { type MailboxPlace, type PollRelay, rest } from './rest.js'

export interface RelayLinkInit {
  relay: PeerId
  network: Network
  exchange: Exchange
  memory: MailboxMemory
  crypto: Crypto
  clock: Clock
  random: Random
  workspaces(): WorkspaceRuntime[]
  /** What a person needs to recover. */
  bundle(): RecoveryOffer
  /** The relay contradicted what it signed, now or before. */
  lie(): PeerfoldError | undefined
  onLie(error: PeerfoldError): void
  onChange(): void
  /** A session is up: others who use this relay can be found through its DHT. */
  onSession(): void
  /** There is something to do, and no connection. */
  onWanted(): void
  /** Where streams don't last: sessions are for work only, and between them the relay is asked by this. */
  poll?: PollRelay
  /** Blocks come from the relay's HTTP side by this, where that works. */
  fetchBlocks?: FetchBlocks
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
  readonly #moved = new Wakeup()
  /** What the relay held of each workspace when its session ended, as `headsOf`. */
  readonly #held = new Map<WorkspaceHandle, string>()
  /** Where to ask, once the session has nothing left to do. */
  #polled: Polled | undefined
  #resting: AbortController | undefined
  #session: RelaySession | undefined
  #running: Promise<void> | undefined
  #failure: PeerfoldError | undefined
  #kept: string | undefined
  #keeping: Promise<void> | undefined

  constructor(init: RelayLinkInit) {
    this.#init = init
  }

  get connected(): boolean {
    return this.#session !== undefined || this.#resting !== undefined
  }

  /** Whether the relay is asked over HTTP for now. */
  get resting(): boolean {
    return this.#resting !== undefined
  }

  /** Why nothing can be sent there. */
  get failure(): PeerfoldError | undefined {
    return this.#init.lie() ?? this.#failure ?? [...this.#failures.values()][0]
  }

  holdsAll(handle: WorkspaceHandle): boolean {
    const link = this.#links.get(handle)
    if (link !== undefined) return link.holdsAll
    const workspace = this.#init.workspaces().find((each) => each.handle === handle)
    return workspace !== undefined && this.#held.get(handle) === headsOf(workspace)
  }

  /** Whether the relay holds all that is here, and all that lies there is here. */
  isEven(handle: WorkspaceHandle): boolean {
    return this.holdsAll(handle) && (this.resting || this.#links.get(handle)?.caughtUp === true)
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
    if (!this.#init.workspaces().every(({ handle }) => this.holdsAll(handle))) this.#resting?.abort()
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
    while (!signal.aborted && network.connection(relay) !== undefined) {
      try {
        const session = await RelaySession.open({ network, clock, crypto, relay }, { signal })
        backoff.reset()
        await this.#hold(session)
        if (await this.#rest()) continue
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
    session.on('changed', (handle, next) => {
      this.#links.get(handle)?.grew(next)
      // A commit may have come by another way before the relay had its blocks.
      this.#init.exchange.gained(this.#init.relay, handle)
    })
    this.#useHttp(session)
    this.#reconcile(session)
    this.#tell()
    this.#init.onSession()
    this.#track(this.#leaveWhenEven(session))
    await new Promise<void>((resolve) =>
      session.ended.addEventListener('abort', () => resolve(), { once: true }),
    )
    this.#session = undefined
    for (const { stop } of this.#tending.values()) stop.abort(session.ended.reason)
    this.#tending.clear()
    for (const workspace of this.#init.workspaces()) this.#remember(workspace)
    this.#links.clear()
    this.#opened.clear()
    this.#authorize()
    this.#init.exchange.route(this.#init.relay, undefined)
    if (this.#polled === undefined) this.#fail(session.ended.reason)
  }

  #useHttp(session: RelaySession): void {
    const { exchange, relay: peer, clock, fetchBlocks } = this.#init
    if (fetchBlocks === undefined) return
    const ticket = (options: AbortOptions) => session.ticket(options)
    const handle = () => [...this.#opened][0]
    exchange.route(peer, new HttpRoute({ peer, clock, fetchBlocks, ticket, handle }))
  }

  #remember(workspace: WorkspaceRuntime): void {
    if (this.#links.get(workspace.handle)?.holdsAll) this.#held.set(workspace.handle, headsOf(workspace))
    else this.#held.delete(workspace.handle)
  }

  /** Where the relay is to be polled, ends a session that has nothing left to do. */
  async #leaveWhenEven(session: RelaySession): Promise<void> {
    const { poll, workspaces } = this.#init
    if (poll === undefined) return
    const signal = session.ended
    const isDone = () =>
      this.#opened.size > 0 &&
      this.#keeping === undefined &&
      workspaces().every(({ handle }) => this.isEven(handle) || this.#failures.has(handle))
    while (!isDone()) await this.#moved.wait({ signal })
    const { token, urls } = await session.ticket({ signal })
    // A relay without an HTTP side is kept in session.
    if (urls.length === 0) return
    const mailboxes = [...this.#links].map(([handle, { place }]) => ({ handle, ...place }))
    this.#polled = { poll, token, urls, mailboxes }
    session.end(new PeerfoldError('CLOSED', 'there is nothing left to do'))
  }

  /** Asks over HTTP until there is a reason for a session. @returns whether it did */
  async #rest(): Promise<boolean> {
    const polled = this.#polled
    if (polled === undefined) return false
    this.#polled = undefined
    const { clock, random, relay, network, workspaces, onWanted } = this.#init
    const resting = new AbortController()
    this.#resting = resting
    const stops = workspaces().map(({ log }) => log.on('commit', () => this.wake()))
    this.wake()
    this.#tell()
    await rest(
      { ...polled, clock, random },
      { signal: AbortSignal.any([resting.signal, this.#closing.signal]) },
    )
    for (const stop of stops) stop()
    this.#resting = undefined
    if (network.connection(relay) === undefined) onWanted()
    return true
  }

  #tell(): void {
    this.#moved.wake()
    this.#init.onChange()
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
    const { clock, crypto, memory, random, onLie } = this.#init
    const { handle } = workspace
    const backoff = new Backoff({ ...RETRY, random })
    const stops = [workspace.log.on('commit', () => this.#links.get(handle)?.wake())]
    while (!signal.aborted) {
      const link = new MailboxLink({
        session,
        workspace,
        memory,
        crypto,
        clock,
        onOpen: () => this.#open(handle),
        onChange: () => {
          backoff.reset()
          this.#failures.delete(handle)
          this.#tell()
        },
        onLie,
      })
      this.#links.set(handle, link)
      const error = await link.run({ signal }).catch((reason: unknown) => asPeerfoldError(reason))
      if (signal.aborted) break
      this.#failures.set(handle, error)
      this.#tell()
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
    const bundle = this.#init.bundle()
    if (bundle.version === this.#kept) return
    const keep = async () => {
      const options = { signal: this.#closing.signal }
      await session.keep(bundle.id, await bundle.seal(options), options)
      this.#kept = bundle.version
    }
    this.#keeping = keep().then(
      () => {},
      (error: unknown) => this.#fail(error),
    )
    this.#track(
      this.#keeping.finally(() => {
        this.#keeping = undefined
        this.#moved.wake()
      }),
    )
  }

  #fail(error: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#failure = asPeerfoldError(error)
    this.#tell()
  }

  #track(task: Promise<unknown>): void {
    const settled = task.catch(() => {}).finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }
}

interface Polled {
  poll: PollRelay
  token: string
  urls: readonly string[]
  mailboxes: readonly MailboxPlace[]
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
