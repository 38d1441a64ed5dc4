import { isPeerfoldError, type Network } from '@peerfold/core'
import type { Collector } from './blocks/collect.js'
import { resetEpochs } from './mailbox/jobs.js'
import type { RelayService } from './service.js'
import type { Parts } from './sessions/context.js'
import type { Sessions } from './sessions/sessions.js'
import type { RelayStatus } from './types.js'

export interface ServiceInit {
  parts: Parts
  sessions: Sessions
  collector: Collector
  network: Network
  isClosing: () => boolean
  onChange: RelayService['onChange']
  onStored: RelayService['onStored']
}

/** The relay as its HTTP side and command see it. */
export function createService(init: ServiceInit): RelayService {
  const { parts, sessions, collector, onChange, onStored } = init
  const state = (): RelayStatus['state'] => {
    if (init.isClosing()) return 'closing'
    return parts.health.failure === undefined ? 'ready' : 'read-only'
  }
  return {
    peer: parts.peer,
    get state() {
      return state()
    },
    get reason() {
      return parts.health.failure?.message
    },
    mailbox: async (handle) => {
      const row = await parts.mailboxes.get(handle)
      return row === undefined ? undefined : { incarnation: row.incarnation, next: row.next }
    },
    onChange,
    onStored,
    readBlock: (handle, cid, options) =>
      parts.blocks.get(handle, cid, options).catch((error) => {
        if (isPeerfoldError(error, 'BLOCK_NOT_FOUND') || isPeerfoldError(error, 'BLOCK_CORRUPT'))
          return undefined
        throw error
      }),
    tokens: parts.tokens,
    collect: (options) => collector.collect(options),
    reset: async (handle) => {
      await resetEpochs(parts, handle)
      sessions.closeMailbox(handle)
    },
    status: () => status(init, state()),
    counters: () => parts.counters,
    gauges: () => {
      const { jobs, bytes } = parts.writer.waiting
      return {
        sessions: sessions.size,
        openMailboxes: sessions.openMailboxes,
        queued: jobs,
        queuedBytes: bytes,
      }
    },
  }
}

async function status(
  { parts, sessions, network }: ServiceInit,
  state: RelayStatus['state'],
): Promise<RelayStatus> {
  const { mailboxes, commits, blocks, bytes } = await parts.mailboxes.totals()
  const reason = parts.health.failure?.message
  return {
    peer: parts.peer,
    addresses: network.addresses(),
    urls: parts.urls(),
    state,
    ...(reason === undefined ? {} : { reason }),
    sessions: sessions.size,
    mailboxes,
    commits,
    blocks,
    bytes,
  }
}
