import { type Clock, type Network, PeerfoldError, type WorkspaceHandle } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { createExchange, Emitter, withDeadline } from '@peerfold/core/relay'
import { createNodeCrypto } from '@peerfold/node/platform'
import { Admission } from './admission.js'
import { Authority } from './blocks/authority.js'
import { Collector } from './blocks/collect.js'
import { SharedBlocks } from './blocks/shared-blocks.js'
import { Bundles } from './bundles.js'
import { createCounters } from './counters.js'
import { createService } from './create-service.js'
import { Health } from './health.js'
import { openRelayHome, type RelayHome } from './home.js'
import { Buckets } from './limits/buckets.js'
import { Budget } from './limits/budget.js'
import { DEFAULT_RELAY_LIMITS } from './limits/defaults.js'
import { type OpenedMailboxes, openMailboxes } from './mailbox/open-mailboxes.js'
import { createRelayNetwork } from './network.js'
import type { HttpSide, RelayService } from './service.js'
import type { Parts } from './sessions/context.js'
import { Sessions } from './sessions/sessions.js'
import { MemoryTokens } from './tokens.js'
import type { Relay, RelayInit, RelayLog, RelayStatus } from './types.js'

const SILENT: RelayLog = { info: () => {}, warn: () => {}, error: () => {} }
/** Each part gets so long to close, milliseconds: all of it stays below the 15 s that a service manager waits. */
const CLOSE_MS = 6_000

/**
 * Starts a relay (PROTOCOL.md §10): mailboxes and blocks of workspaces whose keys it never has, for devices that are away.
 *
 * @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`, `INVALID_ARGUMENT` for an address that cannot be listened on
 * @example
 * ```ts
 * const relay = await createRelay({ directory: '/var/lib/peerfold-relay', open: true })
 * console.log(relay.addresses())
 * await relay.close()
 * ```
 */
export async function createRelay(init: RelayInit): Promise<Relay> {
  const started = new Started(init.log ?? SILENT, init.clock ?? systemClock)
  try {
    return await start(init, started)
  } catch (error) {
    await started.close()
    throw error
  }
}

type ChangeEvents = { change: (handle: WorkspaceHandle, next: number) => void }

async function start(init: RelayInit, started: Started): Promise<Relay> {
  const { log, clock } = started
  const crypto = started.add('cryptography', createNodeCrypto())
  const home = started.add('stores', await openRelayHome(init.directory, crypto, log))
  const health = started.add('health', new Health({ directory: init.directory, clock, log }))
  const counters = createCounters()
  const changes = new Emitter<ChangeEvents>()
  const opened = await openMailboxes({
    home,
    crypto,
    health,
    counters,
    told: log,
    restored: init.restored === true,
    onChange: (handle, next) => changes.emit('change', handle, next),
  })
  started.add('writer', opened.writer)
  await health.start()
  const limits = { ...DEFAULT_RELAY_LIMITS, ...init.limits }
  const { listen, announce } = init
  const network = started.add(
    'network',
    await createRelayNetwork({ seed: home.seed, listen, announce, limits }),
  )
  let http: HttpSide | undefined
  const parts = await assemble(init, {
    home,
    crypto,
    clock,
    log,
    health,
    counters,
    limits,
    opened,
    network,
    urls: () => http?.urls() ?? [],
  })
  started.add('exchange', parts.exchange)
  const collector = new Collector({ ...parts, rows: opened.rows, interval: limits.collectMs })
  started.add('collector', collector)
  collector.start()
  const sessions = new Sessions({ parts, network })
  parts.onFault((peer, error) => sessions.blame(peer, error))
  const closing = new PeerfoldError('CLOSED', 'the relay is closing')
  started.add('sessions', { close: () => sessions.close(closing) })
  changes.on('change', (handle, next) => sessions.notify(handle, next))
  const service = createService({
    parts,
    sessions,
    collector,
    network,
    isClosing: () => started.closing,
    onChange: (listener) => changes.on('change', listener),
  })
  http = init.http === undefined ? undefined : started.add('http', await init.http(service))
  log.info({ peer: parts.peer, addresses: network.addresses() }, 'the relay is ready')
  return facade(
    service,
    network,
    () => http?.urls() ?? [],
    () => started.close(),
  )
}

interface Assembly
  extends Pick<Parts, 'crypto' | 'clock' | 'log' | 'limits' | 'health' | 'counters' | 'urls'> {
  home: RelayHome
  opened: OpenedMailboxes
  network: Network
}

async function assemble(
  init: RelayInit,
  { home, opened, network, ...given }: Assembly,
): Promise<Parts & { onFault(listener: (peer: string, error: Error) => void): void }> {
  const { clock, limits, health, log } = given
  const blocks = new SharedBlocks({
    store: home.blocks,
    rows: opened.rows,
    health,
    quotaBytes: limits.quotaBytes,
  })
  let faulty: (peer: string, error: Error) => void = () => {}
  const exchange = createExchange({ network, clock, onFault: (peer, error) => faulty(peer, error) })
  return {
    ...given,
    peer: network.peer,
    seed: home.seed,
    writer: opened.writer,
    mailboxes: opened.mailboxes,
    blocks,
    exchange,
    authority: new Authority(exchange, blocks),
    admission: new Admission({ file: home.allowed, open: init.open === true, log }),
    bundles: await Bundles.open({ directory: home.bundles, health, maxBytes: limits.bundleBytes }),
    tokens: new MemoryTokens(clock),
    requestRate: new Buckets(clock, limits.peerRequests, limits.addressRequests),
    pushRate: new Buckets(clock, limits.peerBytes, limits.addressBytes),
    pushBytes: new Budget(limits.pushBytes),
    answerBytes: new Budget(limits.answerBytes),
    onFault: (listener) => {
      faulty = listener
    },
  }
}

function facade(
  service: RelayService,
  network: Network,
  urls: () => string[],
  close: () => Promise<void>,
): Relay {
  return {
    peer: service.peer,
    addresses: () => network.addresses(),
    urls,
    status: (): Promise<RelayStatus> => service.status(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** What has been started, to be closed in the opposite order. */
class Started {
  readonly log: RelayLog
  readonly clock: Clock
  readonly #parts: Array<{ name: string; close(): Promise<void> }> = []
  #closing: Promise<void> | undefined

  constructor(log: RelayLog, clock: Clock) {
    this.log = log
    this.clock = clock
  }

  get closing(): boolean {
    return this.#closing !== undefined
  }

  add<T extends { close(): Promise<void> }>(name: string, part: T): T {
    this.#parts.push({ name, close: () => part.close() })
    return part
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const deadline = systemClock.monotonic() + 2 * CLOSE_MS
    for (const { name, close } of this.#parts.splice(0).reverse()) {
      const left = Math.max(500, Math.min(CLOSE_MS, deadline - systemClock.monotonic()))
      await withDeadline(systemClock, left, `closing ${name}`, close).catch((error: Error) => {
        this.log.error({ part: name, reason: error.message }, 'a part of the relay did not close')
      })
    }
    this.log.info({}, 'the relay is closed')
  }
}
