import type { Clock, EpochId, PeerId, WorkspaceHandle } from '@peerfold/core'
import type { Health } from '../health.js'
import { currentMailbox } from '../mailbox/jobs.js'
import type { LeasedBlock } from '../mailbox/records.js'
import { isKept, readMailbox } from '../mailbox/reduce.js'
import { type BlockRow, blockRow, keys, type MailboxRow } from '../mailbox/rows.js'
import type { Draft, Writer } from '../mailbox/writer.js'
import type { SharedBlocks } from './shared-blocks.js'

/** A lease is not written again while it has nearly all of its time: repeating an offer must not make the log grow. */
const RENEWED_AFTER_MS = 60 * 60 * 1000
const BYTES_OF_A_BLOCK = 48

export interface LeasesInit {
  writer: Writer
  blocks: SharedBlocks
  health: Health
  clock: Clock
  leaseMs: number
}

export interface LeaseRequest {
  handle: WorkspaceHandle
  epoch: EpochId
  sender: PeerId
  digests: readonly string[]
  /** Those of them that came for this request and were flushed since. */
  fetched: ReadonlySet<string>
}

/**
 * Leases blocks that are here or have just come: when it resolves that is durable (PROTOCOL.md §10.9). Those that went away between the answer to the
 * offer and now are named in `gone`, to be fetched again.
 */
export async function leaseBlocks(
  init: LeasesInit,
  request: LeaseRequest,
): Promise<{ gone: string[]; standing: MailboxRow }> {
  const { handle, epoch, sender, digests } = request
  const cost = { commits: 1, bytes: digests.length * BYTES_OF_A_BLOCK }
  const until = init.clock.now() + init.leaseMs
  const outcome = await init.writer.submit(cost, async (draft) => {
    init.health.checkWritable()
    const mailbox = await currentMailbox(draft.stage, handle, epoch)
    const { blocks, gone } = await sortOut(init, draft, request, until)
    if (blocks.length > 0) await draft.append({ type: 'lease', handle, sender, until, blocks })
    const standing = (await readMailbox(draft.stage, handle)) ?? mailbox
    return { gone, standing, blocks }
  })
  init.blocks.settle(
    handle,
    outcome.blocks.map(({ digest }) => digest),
  )
  return outcome
}

async function sortOut(
  init: LeasesInit,
  { stage }: Draft,
  { handle, sender, digests, fetched }: LeaseRequest,
  until: number,
): Promise<{ blocks: LeasedBlock[]; gone: string[] }> {
  const unique = [...new Set(digests)]
  const rows = await stage.getMany(unique.map((digest) => keys.block(digest, handle)))
  const blocks: LeasedBlock[] = []
  const gone: string[] = []
  for (const [i, digest] of unique.entries()) {
    const encoded = rows[i]
    const row = encoded === undefined ? undefined : blockRow.decode(encoded)
    // What came for somebody else may not be durable yet.
    const bytes = row?.bytes ?? (fetched.has(digest) ? await init.blocks.arrived(handle, digest) : undefined)
    if (bytes === undefined) gone.push(digest)
    else if (row === undefined || (!isFresh(row, sender, until) && !(await isKept(stage, handle, row)))) {
      blocks.push({ digest, bytes })
    }
  }
  return { blocks, gone }
}

function isFresh({ leases }: BlockRow, sender: PeerId, until: number): boolean {
  return leases.some((lease) => lease.peer === sender && lease.until >= until - RENEWED_AFTER_MS)
}
