import { type EpochId, PeerfoldError, type PeerId, type WorkspaceHandle } from '@peerfold/core'
import type { Registration, Sealed } from '@peerfold/core/relay'
import type { Health } from '../health.js'
import type { RelayLimits } from '../limits/defaults.js'
import { encodeEntry } from './records.js'
import { ROW_BYTES, readMailbox, readState } from './reduce.js'
import { newIncarnation } from './replay.js'
import { epochRow, keys, type MailboxRow, numberRow } from './rows.js'
import type { Stage } from './stage.js'
import type { Draft, Writer } from './writer.js'

/** Where a mailbox stands. */
export type Standing = Pick<MailboxRow, 'incarnation' | 'next' | 'chain'>

export interface JobsInit {
  writer: Writer
  health: Health
  limits: Pick<RelayLimits, 'quotaBytes' | 'maxMailboxes'>
}

/** Rotations are taken beyond the quota, up to here: a device that is removed must lose its access. */
const EPOCHS_BEYOND_QUOTA = 16 * 1024 * 1024
const EPOCH_COST = { commits: 1, bytes: 512 }

export interface Push {
  handle: WorkspaceHandle
  /** Under which the sender opened the mailbox. */
  epoch: EpochId
  sender: PeerId
  /** In the order in which they were sent; checked by themselves. */
  commits: readonly Sealed[]
}

/**
 * Puts commits into a mailbox, whole or not at all; what is there already counts as put (PROTOCOL.md §10.6).
 *
 * @throws {PeerfoldError} `COMMIT_HELD`, `QUOTA_EXCEEDED`, `UNAUTHORIZED`, `BUSY`, and why the relay is read-only
 */
export function pushCommits(init: JobsInit, push: Push): Promise<MailboxRow> {
  const bytes = push.commits.reduce((sum, { bytes: envelope }) => sum + envelope.length, 0)
  return init.writer.submit({ commits: push.commits.length, bytes, reads: rowsOf(push) }, async (draft) => {
    init.health.checkWritable()
    const mailbox = await currentMailbox(draft.stage, push.handle, push.epoch)
    const fresh = await unknownOf(draft.stage, push)
    checkQuota(mailbox, fresh, init.limits.quotaBytes)
    for (const commit of fresh) {
      await checkPrev(draft.stage, commit)
      await draft.appendCommit(commit, push.sender)
    }
    if (fresh.length === 0) await keepLeases(draft, push)
    const standing = (await readMailbox(draft.stage, push.handle)) as MailboxRow
    if (fresh.length > 0) draft.changed(push.handle, standing)
    return standing
  })
}

export interface Registering {
  registration: Registration
  signature: Uint8Array
  /** Whether its sender is one whom the operator allows. Who repeats a registration needs not be: it shows that it knows the keys. */
  mayBegin: boolean
}

/**
 * Begins a mailbox, or appends to its chain of epochs (PROTOCOL.md §10.4). The signature was checked.
 *
 * @returns whether it is new: repeating one changes nothing
 * @throws {PeerfoldError} `RELAY_REFUSED`, `ALREADY_EXISTS`, `VERSION_MISMATCH` when `previous` is not the current epoch, `WORKSPACE_NOT_FOUND`, `QUOTA_EXCEEDED`
 */
export function registerEpoch(
  init: JobsInit,
  { registration, signature, mayBegin }: Registering,
): Promise<boolean> {
  const { handle, epoch, previous } = registration
  return init.writer.submit(EPOCH_COST, async (draft) => {
    init.health.checkWritable()
    const mailbox = await readMailbox(draft.stage, handle)
    const known = await draft.stage.get(keys.epoch(handle, epoch))
    // After a reset what was registered before does not count.
    if (known !== undefined && mailbox?.epoch !== undefined) {
      if (isRepeated(registration, { handle, epoch, ...epochRow.decode(known) })) return false
      throw new PeerfoldError('ALREADY_EXISTS', 'the epoch was registered with other keys')
    }
    if (previous === undefined) await checkNew(draft, mailbox, init.limits, mayBegin)
    else checkSuccessor(mailbox, previous, init.limits)
    if (mailbox === undefined) await draft.append({ type: 'mailbox', handle, incarnation: newIncarnation() })
    await draft.append({ type: 'epoch', registration, signature })
    return true
  })
}

/** Takes a mailbox out of the hands of whoever registered its current epoch (docs/decisions/0081). @throws {PeerfoldError} `WORKSPACE_NOT_FOUND` */
export function resetEpochs(init: JobsInit, handle: WorkspaceHandle): Promise<void> {
  return init.writer.submit(EPOCH_COST, async (draft) => {
    init.health.checkWritable()
    if ((await readMailbox(draft.stage, handle)) === undefined)
      throw new PeerfoldError('WORKSPACE_NOT_FOUND', 'this relay has no mailbox of that handle', {
        hint: 'Ask for it on the device that is shut out: `peerfold relay list`.',
      })
    await draft.append({ type: 'reset', handle })
  })
}

/** Signatures are left out: who signs twice may sign differently. */
function isRepeated(one: Registration, other: Registration): boolean {
  const encode = (registration: Registration) =>
    encodeEntry({ type: 'epoch', registration, signature: new Uint8Array(64) })
  return Buffer.compare(encode(one), encode(other)) === 0
}

async function checkNew(
  draft: Draft,
  mailbox: MailboxRow | undefined,
  limits: JobsInit['limits'],
  mayBegin: boolean,
): Promise<void> {
  if (!mayBegin) throw new PeerfoldError('RELAY_REFUSED', 'this relay takes only whom its operator allows')
  if (mailbox?.epoch !== undefined) {
    throw new PeerfoldError('ALREADY_EXISTS', 'the mailbox has an epoch: name it as the previous one')
  }
  const mailboxes = (await readState(draft.stage))?.mailboxes ?? 0
  if (mailbox !== undefined || mailboxes < limits.maxMailboxes) return
  throw new PeerfoldError('QUOTA_EXCEEDED', `the relay has ${mailboxes} mailboxes, and takes no more`)
}

function checkSuccessor(
  mailbox: MailboxRow | undefined,
  previous: EpochId,
  limits: JobsInit['limits'],
): void {
  if (mailbox?.epoch === undefined) throw notFound()
  if (mailbox.epoch !== previous) {
    throw new PeerfoldError('VERSION_MISMATCH', 'another epoch came after that one')
  }
  if (mailbox.bytes > limits.quotaBytes + EPOCHS_BEYOND_QUOTA) throw overQuota()
}

/** What will be asked of the index. */
function rowsOf({ handle, sender, commits }: Push): string[] {
  const ids = commits.flatMap(({ id, prev }) => (prev === undefined ? [id] : [id, prev]))
  return [
    keys.state,
    keys.mailbox(handle),
    keys.sender(handle, sender),
    ...ids.map((id) => keys.commit(handle, id)),
  ]
}

/** @throws {PeerfoldError} `UNAUTHORIZED` when another epoch came since the mailbox was opened */
export async function currentMailbox(
  stage: Stage,
  handle: WorkspaceHandle,
  epoch: EpochId,
): Promise<MailboxRow> {
  const mailbox = await readMailbox(stage, handle)
  if (mailbox === undefined) throw notFound()
  if (mailbox.epoch !== epoch) throw new PeerfoldError('UNAUTHORIZED', 'the epoch is over: open it anew')
  return mailbox
}

/** Each once. */
async function unknownOf(stage: Stage, { handle, commits }: Push): Promise<Sealed[]> {
  const unique = [...new Map(commits.map((commit) => [commit.id, commit])).values()]
  const known = await stage.getMany(unique.map(({ id }) => keys.commit(handle, id)))
  return unique.filter((_, i) => known[i] === undefined)
}

function checkQuota(mailbox: MailboxRow, fresh: readonly Sealed[], quota: number): void {
  const more = fresh.reduce((sum, { bytes }) => sum + bytes.length + ROW_BYTES, 0)
  if (more > 0 && mailbox.bytes + more > quota) throw overQuota()
}

async function checkPrev(stage: Stage, { handle, prev }: Sealed): Promise<void> {
  if (prev === undefined || (await stage.get(keys.commit(handle, prev))) !== undefined) return
  throw new PeerfoldError('COMMIT_HELD', 'the commit before it is not here')
}

/** The statement will say that all blocks offered before are kept: when no commit carries that into the log, a record of its own does. */
async function keepLeases(draft: Draft, { handle, sender }: Push): Promise<void> {
  const [leased, kept] = await draft.stage.getMany([keys.lessee(handle, sender), keys.sender(handle, sender)])
  if (leased === undefined) return
  if (kept !== undefined && numberRow.decode(kept) > numberRow.decode(leased)) return
  await draft.append({ type: 'kept', handle, sender })
}

export function notFound(): PeerfoldError {
  return new PeerfoldError('WORKSPACE_NOT_FOUND', 'no such workspace is open here', {
    hint: 'Register it at the relay, and open it with a key of its current epoch.',
  })
}

export function overQuota(): PeerfoldError {
  return new PeerfoldError('QUOTA_EXCEEDED', 'the workspace has used what the relay gives it')
}
