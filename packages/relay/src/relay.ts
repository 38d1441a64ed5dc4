import { type Network, PeerfoldError, type PeerId } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { createExchange, Emitter } from '@peerfold/core/relay'
import { createNodeCrypto } from '@peerfold/node/platform'
import { assembleParts } from './assemble.js'
import { Collector } from './blocks/collect.js'
import { Bundles } from './bundles.js'
import { createCounters } from './counters.js'
import { createService } from './create-service.js'
import { Health } from './health.js'
import { openRelayHome } from './home.js'
import { DEFAULT_RELAY_LIMITS } from './limits/defaults.js'
import { openMailboxes } from './mailbox/open-mailboxes.js'
import type { WriterInit } from './mailbox/writer.js'
import { createRelayNetwork } from './network.js'
import type { HttpSide, RelayService } from './service.js'
import { Sessions } from './sessions/sessions.js'
import { Started } from './started.js'
import type { Relay, RelayInit, RelayLog, RelayStatus } from './types.js'

const SILENT: RelayLog = { info: () => {}, warn: () => {}, error: () => {} }

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

type RelayEvents = {
  change: WriterInit['onChange']
  stored: (seconds: number) => void
  /** A peer broke the protocol of blocks. */
  fault: (peer: PeerId, error: Error) => void
}

async function start(init: RelayInit, started: Started): Promise<Relay> {
  const { log, clock } = started
  const limits = { ...DEFAULT_RELAY_LIMITS, ...init.limits }
  const crypto = started.add('cryptography', createNodeCrypto())
  const home = started.add('stores', await openRelayHome(init.directory, crypto, log))
  const health = started.add(
    'health',
    new Health({ directory: init.directory, clock, log, watermarks: limits }),
  )
  const counters = createCounters()
  const events = new Emitter<RelayEvents>()
  const opened = await openMailboxes({
    home,
    crypto,
    health,
    counters,
    told: log,
    restored: init.restored === true,
    onChange: (handle, now) => events.emit('change', handle, now),
  })
  started.add('writer', opened.writer)
  await health.start()
  const bundles = await Bundles.open({ directory: home.bundles, health, maxBytes: limits.bundleBytes })
  const { listen, announce } = init
  const network = started.add(
    'network',
    await createRelayNetwork({ seed: home.seed, listen, announce, limits }),
  )
  let http: HttpSide | undefined
  const urls = () => http?.urls() ?? []
  const onStored = (seconds: number) => events.emit('stored', seconds)
  const exchange = started.add(
    'exchange',
    createExchange({ network, clock, onFault: (...fault) => events.emit('fault', ...fault) }),
  )
  const known = { crypto, clock, log, health, counters, limits, bundles, exchange, urls, onStored }
  const parts = assembleParts(known, { home, opened, peer: network.peer, open: init.open === true })
  const collector = new Collector({ ...parts, rows: opened.rows, interval: limits.collectMs })
  started.add('collector', collector)
  collector.start()
  const sessions = new Sessions({ parts, network })
  events.on('fault', (peer, error) => sessions.blame(peer, error))
  const closing = new PeerfoldError('CLOSED', 'the relay is closing')
  started.add('sessions', { close: () => sessions.close(closing) })
  events.on('change', (handle, now) => sessions.notify(handle, now))
  const service = createService({
    parts,
    sessions,
    collector,
    network,
    isClosing: () => started.closing,
    onChange: (listener) => events.on('change', (handle, { next }) => listener(handle, next)),
    onStored: (listener) => events.on('stored', listener),
  })
  http = init.http === undefined ? undefined : started.add('http', await init.http(service))
  log.info({ peer: parts.peer, addresses: network.addresses() }, 'the relay is ready')
  return facade(service, network, urls, () => started.close())
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
