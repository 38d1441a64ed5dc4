import { isPeerfoldError, PeerfoldError } from '@peerfold/core'
import {
  fromHex,
  MAX_BATCH_BYTES,
  type RelayAnswer,
  type RelayRequestOf,
  type Sealed,
  STEP_MS,
  verifyEnvelopes,
} from '@peerfold/core/relay'
import { pushCommits } from '../mailbox/jobs.js'
import type { MailboxRow } from '../mailbox/rows.js'
import { busy } from '../mailbox/writer.js'
import { requireOpen } from './access.js'
import type { Context } from './context.js'
import { state } from './statement.js'

/** Stores commits, whole or not at all; answered when they are durable (PROTOCOL.md §10.6). */
export async function answerPush(context: Context, request: RelayRequestOf<'push'>): Promise<RelayAnswer> {
  const { parts } = context
  const began = parts.clock.monotonic()
  const bytes = request.envelopes.reduce((sum, envelope) => sum + envelope.length, 0)
  if (bytes > MAX_BATCH_BYTES && request.envelopes.length > 1) {
    throw new PeerfoldError(
      'MESSAGE_INVALID',
      `commits of ${bytes} bytes in one push, at most ${MAX_BATCH_BYTES}`,
    )
  }
  requireOpen(context, request.handle, ['push'])
  parts.health.checkWritable()
  const wait = parts.pushRate.take(context.sender, bytes)
  if (wait > 0) throw busy(wait, 'more bytes a second than this relay takes')
  if (!parts.pushBytes.tryTake(bytes)) throw busy()
  try {
    const { standing, ids } = await store(context, request)
    parts.counters.commitsStored += ids.length
    parts.counters.commitBytes += bytes
    const signed = await state(parts, request.handle, standing, { kind: 'commits', ids })
    parts.onStored((parts.clock.monotonic() - began) / 1000)
    return { type: 'stored', n: request.n, signed, bytes: standing.bytes }
  } finally {
    parts.pushBytes.give(bytes)
  }
}

/** Checked side by side, queued in the order of the requests: a device need not wait for one answer before the next push. */
async function store(
  context: Context,
  { handle, envelopes }: RelayRequestOf<'push'>,
): Promise<{ standing: MailboxRow; ids: Uint8Array[] }> {
  const { parts, sender } = context
  const checking = verifyEnvelopes(parts.crypto, handle, envelopes)
  checking.catch(() => {})
  const queued = await context.inOrder(async () => {
    const commits = allSound(await checking)
    // Only now: what is open may have changed while the requests before this one were checked.
    const { epoch } = requireOpen(context, handle, ['push'])
    const pushed = pushCommits(parts, { handle, epoch, sender: sender.peer, commits })
    pushed.catch(() => {})
    return { pushed, ids: commits.map(({ id }) => fromHex(id)) }
  })
  return { standing: await queued.pushed, ids: queued.ids }
}

function allSound(verdicts: ReadonlyArray<Sealed | PeerfoldError>): Sealed[] {
  return verdicts.map((verdict, index) => {
    if (!isPeerfoldError(verdict)) return verdict as Sealed
    throw new PeerfoldError(verdict.code, `commit ${index} of the push: ${verdict.message}`, {
      cause: verdict,
      details: { index },
    })
  })
}

/** Commits from a place on, with a statement that stands behind the last of them. */
export async function answerRead(context: Context, request: RelayRequestOf<'read'>): Promise<void> {
  const { parts, signal } = context
  const { handle, from, n } = request
  await parts.answerBytes.take(parts.clock, STEP_MS, MAX_BATCH_BYTES, { signal })
  try {
    const { role, epoch } = requireOpen(context, handle, ['pull', 'push', 'rotation'])
    const end = role === 'rotation' ? await rotationEnd(context, handle, epoch) : undefined
    const { envelopes, standing, more } = await parts.mailboxes.read(handle, from, end)
    const signed = await state(parts, handle, standing)
    parts.counters.commitsRead += envelopes.length
    await context.deliver({ type: 'commits', n, from, envelopes, more, signed })
  } finally {
    parts.answerBytes.give(MAX_BATCH_BYTES)
  }
}

async function rotationEnd({ parts }: Context, handle: string, epoch: string): Promise<number> {
  const row = await parts.mailboxes.epoch(handle, epoch)
  return row === undefined ? 1 : parts.mailboxes.rotationEnd(handle, row)
}
