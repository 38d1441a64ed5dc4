import { type EpochId, PeerfoldError } from '@peerfold/core'
import { type RelayAnswer, type RelayRequestOf, toHex } from '@peerfold/core/relay'
import { type LeaseRequest, leaseBlocks } from '../blocks/leases.js'
import { cidOf } from '../blocks/shared-blocks.js'
import type { MailboxRow } from '../mailbox/rows.js'
import { busy } from '../mailbox/writer.js'
import { requireOpen } from './access.js'
import type { Context } from './context.js'
import { state } from './statement.js'

/** An offer of which nothing came for so long is given up, milliseconds: what came stays, and need not come again. */
const STALL_MS = 30_000
/** Blocks that were here may go while others come, but not again and again. */
const MAX_ROUNDS = 3
const BUSY_MS = 2_000

/**
 * Says at once which blocks are lacking in that workspace, fetches them from the device, and answers when all are durable and leased
 * (PROTOCOL.md §10.6).
 */
export async function answerOffer(context: Context, request: RelayRequestOf<'offer'>): Promise<RelayAnswer> {
  const { offeredBlocks } = context.parts
  const { epoch } = requireOpen(context, request.handle, ['push'])
  context.parts.health.checkRoomForBlocks()
  const count = request.digests.length
  if (!offeredBlocks.tryTake(count))
    throw busy(BUSY_MS, 'more blocks are offered than this relay fetches at a time')
  try {
    return await take(context, request, epoch)
  } finally {
    offeredBlocks.give(count)
  }
}

async function take(
  context: Context,
  request: RelayRequestOf<'offer'>,
  epoch: EpochId,
): Promise<RelayAnswer> {
  const { parts } = context
  const { handle, n } = request
  const digests = request.digests.map(toHex)
  const here = await parts.blocks.has(handle, digests.map(cidOf))
  context.post({ type: 'lacking', n, bitmap: bitmapOf(here) })
  const lacking = new Set(digests.filter((_, i) => !here[i]))
  const lease = { handle, epoch, sender: context.sender.peer, digests }
  const standing = await store(context, lease, lacking)
  const signed = await state(parts, handle, standing, { kind: 'blocks', ids: request.digests })
  return { type: 'stored', n, signed, bytes: standing.bytes }
}

async function store(
  context: Context,
  lease: Omit<LeaseRequest, 'fetched'>,
  lacking: ReadonlySet<string>,
): Promise<MailboxRow> {
  const { parts } = context
  const fetched = new Set<string>()
  try {
    let wanted = lacking
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      for (const digest of wanted) fetched.add(digest)
      await fetchBlocks(context, lease.handle, [...wanted])
      await parts.blocks.flush()
      const { gone, standing } = await leaseBlocks(leases(context), { ...lease, fetched })
      if (gone.length === 0) return standing
      wanted = new Set(gone)
    }
    throw new PeerfoldError('BUSY', 'blocks went while others came', { details: { retryAfter: 1000 } })
  } catch (error) {
    await keepWhatCame(context, { ...lease, digests: [...fetched], fetched })
    throw error
  } finally {
    parts.blocks.settle(lease.handle, fetched)
  }
}

/** Waits as long as blocks come. The caller's store verifies them. */
async function fetchBlocks(context: Context, handle: string, digests: readonly string[]): Promise<void> {
  if (digests.length === 0) return
  const { parts, signal } = context
  const stalled = new AbortController()
  const done = new AbortController()
  let heard = parts.clock.monotonic()
  const watch = async () => {
    for (let left = STALL_MS; left > 0; left = heard + STALL_MS - parts.clock.monotonic()) {
      await parts.clock.sleep(left, { signal: done.signal })
    }
    stalled.abort(new PeerfoldError('TIMEOUT', 'the device sends nothing of what it offered'))
  }
  watch().catch(() => {})
  try {
    await parts.exchange.fetch(handle, digests.map(cidOf), {
      signal: AbortSignal.any([signal, stalled.signal]),
      onProgress: (bytes) => {
        heard = parts.clock.monotonic()
        parts.counters.blocksStored++
        parts.counters.blockBytes += bytes
      },
    })
  } finally {
    done.abort()
  }
}

/** The device went away in the middle: what came of its offer is leased, so that the next offer lacks less. */
async function keepWhatCame(context: Context, request: LeaseRequest): Promise<void> {
  if (request.digests.length === 0) return
  try {
    await context.parts.blocks.flush()
    await leaseBlocks(leases(context), request)
  } catch (error) {
    // It was a favour: nobody was told of these blocks, and collecting finds them.
    context.parts.log.info({ reason: (error as PeerfoldError).code }, 'blocks of a broken offer are not kept')
  }
}

function leases({ parts }: Context) {
  const { writer, blocks, health, clock, limits } = parts
  return { writer, blocks, health, clock, leaseMs: limits.leaseMs }
}

/** A bit for each, from the highest of the first byte on: 1 where it is not here. */
function bitmapOf(here: readonly boolean[]): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(here.length / 8))
  for (const [i, present] of here.entries()) {
    if (!present) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (0x80 >> (i & 7))
  }
  return bitmap
}
