import type { LogPosition, PeerId, WorkspaceHandle } from '@peerfold/core'
import { nextChain, type Sealed, START_CHAIN } from '@peerfold/core/relay'
import type { EntryOf } from './records.js'
import {
  type BlockRow,
  blockRow,
  epochRow,
  keys,
  type MailboxRow,
  mailboxRow,
  numberRow,
  PRESENT,
  placeRow,
  type StateRow,
  stateRow,
} from './rows.js'
import type { RowReader, Stage } from './stage.js'

/** What each commit and each block costs a workspace beside its bytes: its rows in the index. */
export const ROW_BYTES = 256
/** Devices that may lease one block. One more makes it permanent: keeping too much loses nothing. */
const MAX_LEASES = 32

export const START_STATE: StateRow = {
  position: 0,
  last: undefined,
  renew: false,
  mailboxes: 0,
  commits: 0,
  blocks: 0,
  bytes: 0,
}

/** What a record of the log means for the index. Whoever writes the log and whoever replays it call the same functions. */

export async function applyMailbox(stage: Stage, entry: EntryOf<'mailbox'>): Promise<void> {
  const known = await readMailbox(stage, entry.handle)
  putMailbox(stage, entry.handle, { ...(known ?? (await begin(stage))), incarnation: entry.incarnation })
}

export async function applyEpoch(stage: Stage, { registration, signature }: EntryOf<'epoch'>): Promise<void> {
  const { handle, epoch, pull, push, control, previous, rotation } = registration
  const row = { pull, push, control, previous, rotation, signature, next: undefined }
  stage.put(keys.epoch(handle, epoch), epochRow.encode(row))
  const before = previous === undefined ? undefined : await stage.get(keys.epoch(handle, previous))
  if (previous !== undefined && before !== undefined) {
    const next = { epoch, rotation }
    stage.put(keys.epoch(handle, previous), epochRow.encode({ ...epochRow.decode(before), next }))
  }
  const mailbox = (await readMailbox(stage, handle)) ?? (await begin(stage))
  await charge(stage, handle, { ...mailbox, epoch }, ROW_BYTES)
}

/** What was registered before stays known for those who read up to a rotation; no epoch is the current one. */
export async function applyReset(stage: Stage, { handle }: EntryOf<'reset'>): Promise<void> {
  const mailbox = await readMailbox(stage, handle)
  if (mailbox !== undefined) putMailbox(stage, handle, { ...mailbox, epoch: undefined })
}

/** @param sealed the envelope in the record, decoded, with its id */
export async function applyCommit(
  stage: Stage,
  sealed: Sealed,
  sender: PeerId,
  position: LogPosition,
): Promise<void> {
  const { handle, id, feed, seq, prev } = sealed
  applyKept(stage, { type: 'kept', handle, sender }, position)
  if ((await stage.get(keys.commit(handle, id))) !== undefined) return
  const mailbox = (await readMailbox(stage, handle)) ?? (await begin(stage))
  const chain = nextChain(mailbox.chain, id)
  const bytes = sealed.bytes.length
  stage.put(keys.place(handle, mailbox.next), placeRow.encode({ position, id, chain, bytes }))
  stage.put(keys.commit(handle, id), numberRow.encode(mailbox.next))
  if (prev !== undefined) stage.del(keys.tip(handle, feed, seq - 1, prev))
  stage.put(keys.tip(handle, feed, seq, id), PRESENT)
  await change(stage, (state) => ({ ...state, commits: state.commits + 1 }))
  await charge(stage, handle, { ...mailbox, next: mailbox.next + 1, chain }, bytes + ROW_BYTES)
}

/** All that the device leased before this is permanent. */
export function applyKept(stage: Stage, { handle, sender }: EntryOf<'kept'>, position: LogPosition): void {
  stage.put(keys.sender(handle, sender), numberRow.encode(position))
}

export async function applyLease(
  stage: Stage,
  { handle, sender, until, blocks }: EntryOf<'lease'>,
  position: LogPosition,
): Promise<void> {
  const rows = await stage.getMany(blocks.map(({ digest }) => keys.block(digest, handle)))
  stage.put(keys.lessee(handle, sender), numberRow.encode(position))
  for (const [i, { digest, bytes }] of blocks.entries()) {
    const encoded = rows[i]
    const row = encoded === undefined ? undefined : blockRow.decode(encoded)
    if (row?.kept === true) continue
    if (row === undefined) {
      await change(stage, (state) => ({ ...state, blocks: state.blocks + 1 }))
      const mailbox = (await readMailbox(stage, handle)) ?? (await begin(stage))
      await charge(stage, handle, mailbox, bytes + ROW_BYTES)
    }
    const leased = await withLease(stage, handle, row ?? { bytes, kept: false, leases: [] }, {
      peer: sender,
      until,
      position,
    })
    stage.put(keys.block(digest, handle), blockRow.encode(leased))
    stage.put(keys.expiry(until, digest, handle), PRESENT)
  }
}

export async function applyDropped(stage: Stage, { handle, digests }: EntryOf<'dropped'>): Promise<void> {
  for (const digest of digests) {
    const encoded = await stage.get(keys.block(digest, handle))
    if (encoded === undefined) continue
    stage.del(keys.block(digest, handle))
    await change(stage, (state) => ({ ...state, blocks: state.blocks - 1 }))
    const mailbox = await readMailbox(stage, handle)
    if (mailbox !== undefined)
      await charge(stage, handle, mailbox, -blockRow.decode(encoded).bytes - ROW_BYTES)
  }
}

/**
 * Whether a block is permanent: one of those who leased it has pushed a commit since (PROTOCOL.md §10.6). Found out when it matters, so that a push
 * need not touch the rows of all blocks that were offered before it.
 */
export async function isKept(stage: RowReader, handle: WorkspaceHandle, row: BlockRow): Promise<boolean> {
  if (row.kept) return true
  const pushed = await stage.getMany(row.leases.map(({ peer }) => keys.sender(handle, peer)))
  return row.leases.some(({ position }, i) => {
    const bytes = pushed[i]
    return bytes !== undefined && numberRow.decode(bytes) > position
  })
}

export async function readMailbox(rows: RowReader, handle: WorkspaceHandle): Promise<MailboxRow | undefined> {
  const [bytes] = await rows.getMany([keys.mailbox(handle)])
  return bytes === undefined ? undefined : mailboxRow.decode(bytes)
}

export async function readState(rows: RowReader): Promise<StateRow | undefined> {
  const [bytes] = await rows.getMany([keys.state])
  return bytes === undefined ? undefined : stateRow.decode(bytes)
}

async function withLease(
  stage: Stage,
  handle: WorkspaceHandle,
  row: BlockRow,
  lease: BlockRow['leases'][number],
): Promise<BlockRow> {
  const kept = await isKept(stage, handle, row)
  const others = row.leases.filter(({ peer }) => peer !== lease.peer)
  if (kept || others.length >= MAX_LEASES) return { bytes: row.bytes, kept: true, leases: [] }
  return { bytes: row.bytes, kept: false, leases: [...others, lease] }
}

/** A mailbox of which no record told before: the one that did may have been lost. */
async function begin(stage: Stage): Promise<MailboxRow> {
  await change(stage, (state) => ({ ...state, mailboxes: state.mailboxes + 1 }))
  return { incarnation: '0'.repeat(32), next: 1, chain: START_CHAIN, bytes: 0, epoch: undefined }
}

async function charge(stage: Stage, handle: WorkspaceHandle, row: MailboxRow, bytes: number): Promise<void> {
  putMailbox(stage, handle, { ...row, bytes: Math.max(0, row.bytes + bytes) })
  await change(stage, (state) => ({ ...state, bytes: Math.max(0, state.bytes + bytes) }))
}

function putMailbox(stage: Stage, handle: WorkspaceHandle, row: MailboxRow): void {
  stage.put(keys.mailbox(handle), mailboxRow.encode(row))
}

async function change(stage: Stage, changed: (state: StateRow) => StateRow): Promise<void> {
  stage.put(keys.state, stateRow.encode(changed((await readState(stage)) ?? START_STATE)))
}
