import type { PeerId } from '@peerfold/core'
import { Admission } from './admission.js'
import { Authority } from './blocks/authority.js'
import { SharedBlocks } from './blocks/shared-blocks.js'
import type { RelayHome } from './home.js'
import { Buckets } from './limits/buckets.js'
import { Budget } from './limits/budget.js'
import type { OpenedMailboxes } from './mailbox/open-mailboxes.js'
import type { Parts } from './sessions/context.js'
import { MemoryTokens } from './tokens.js'

/** What there is before the parts that stand on it. */
type Known = Pick<
  Parts,
  'crypto' | 'clock' | 'log' | 'limits' | 'health' | 'counters' | 'bundles' | 'exchange' | 'urls' | 'onStored'
>

interface Stores {
  home: RelayHome
  opened: OpenedMailboxes
  peer: PeerId
  /** Whether anyone may begin a mailbox. */
  open: boolean
}

/** All that requests are answered with. Nothing in it needs closing of its own. */
export function assembleParts(known: Known, { home, opened, peer, open }: Stores): Parts {
  const { clock, limits, health, log, exchange } = known
  const { rows, writer, mailboxes } = opened
  const blocks = new SharedBlocks({ store: home.blocks, rows, health, quotaBytes: limits.quotaBytes })
  return {
    ...known,
    peer,
    seed: home.seed,
    writer,
    mailboxes,
    blocks,
    authority: new Authority(exchange, blocks),
    admission: new Admission({ file: home.allowed, open, log }),
    tokens: new MemoryTokens(clock),
    requestRate: new Buckets(clock, limits.peerRequests, limits.addressRequests),
    pushRate: new Buckets(clock, limits.peerBytes, limits.addressBytes),
    pushBytes: new Budget(limits.pushBytes),
    answerBytes: new Budget(limits.answerBytes),
    offeredBlocks: new Budget(limits.offeredBlocks),
  }
}
