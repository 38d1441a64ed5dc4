import { isPeerfoldError, PeerfoldError } from '@peerfold/core'
import {
  checkAccess,
  checkRegistration,
  PROOF_MS,
  type Registration,
  type RelayAnswer,
  type RelayRequestOf,
  START_CHAIN,
  STEP_MS,
} from '@peerfold/core/relay'
import { notFound, registerEpoch } from '../mailbox/jobs.js'
import type { EpochRow, MailboxRow } from '../mailbox/rows.js'
import type { Context, Parts, Role } from './context.js'
import { state } from './statement.js'

/** What a signature is checked against where there is nothing: a stranger cannot tell by the time that it takes. */
const NOBODY = new Uint8Array(32).fill(0x42)
const BYTES_OF_A_HEAD = 100

/** Opens a mailbox for who holds a key of it (PROTOCOL.md §10.4). Whatever is wrong, the answer is the same, whether the mailbox exists or not. */
export async function answerOpen(context: Context, request: RelayRequestOf<'open'>): Promise<void> {
  const { parts } = context
  const { handle, epoch } = request
  checkTime(parts, request.time)
  const [mailbox, row] = await Promise.all([
    parts.mailboxes.get(handle),
    parts.mailboxes.epoch(handle, epoch),
  ])
  const key = request.role === 'push' ? row?.push : row?.pull
  const genuine = await checkAccess(parts.crypto, key ?? NOBODY, context.channel, request, request.signature)
  // After a reset nobody's keys count until a device registers its own.
  if (mailbox?.epoch === undefined || row === undefined || !genuine) throw notFound()
  const role = await admit(context, request, mailbox)
  if (role === 'rotation') context.post(await describeRotation(parts, request, row, mailbox))
  else await deliverOpened(context, request, role)
}

/** Of many feeds that is a large answer: it waits for its turn, and for memory. */
async function deliverOpened(context: Context, request: RelayRequestOf<'open'>, role: Role): Promise<void> {
  const { parts, signal } = context
  const described = await describe(parts, request, role)
  const bytes = described.heads.length * BYTES_OF_A_HEAD
  await parts.answerBytes.take(parts.clock, STEP_MS, bytes, { signal })
  try {
    await context.deliver({ type: 'opened', n: request.n, ...described })
  } finally {
    parts.answerBytes.give(bytes)
  }
}

/** The keys may change while this goes on: what counts is what they are after the session is known to have it open. */
async function admit(
  context: Context,
  { handle, epoch, role }: RelayRequestOf<'open'>,
  mailbox: MailboxRow,
): Promise<Role> {
  const granted = mailbox.epoch === epoch ? (role as Role) : 'rotation'
  context.open(handle, { epoch, role: granted })
  const now = await context.parts.mailboxes.get(handle)
  if (now?.epoch === epoch || granted === 'rotation') return granted
  context.open(handle, { epoch, role: 'rotation' })
  return 'rotation'
}

async function describe(parts: Parts, { handle, epoch }: RelayRequestOf<'open'>, role: Role) {
  // Heads first: whoever compares them with the statement finds it at least as new.
  const heads = await parts.mailboxes.heads(handle)
  const mailbox = await parts.mailboxes.get(handle)
  if (mailbox === undefined) throw notFound()
  const signed = await state(parts, handle, mailbox)
  return {
    signed,
    heads,
    epoch: mailbox.epoch ?? epoch,
    role,
    bytes: mailbox.bytes,
    quota: parts.limits.quotaBytes,
  }
}

/** Who holds only older keys learns nothing of what came after them. */
async function describeRotation(
  parts: Parts,
  { n, handle, epoch }: RelayRequestOf<'open'>,
  row: EpochRow,
  { incarnation }: MailboxRow,
): Promise<RelayAnswer> {
  const end = await parts.mailboxes.rotationEnd(handle, row)
  const standing =
    end === 1 ? { incarnation, next: 1, chain: START_CHAIN } : await parts.mailboxes.standingAt(handle, end)
  const signed = await state(parts, handle, standing)
  return { type: 'opened', n, signed, heads: [], epoch, role: 'rotation', bytes: 0, quota: 0 }
}

/** Registers the keys of an epoch, and begins the mailbox when it is the first. */
export async function answerRegister(
  context: Context,
  request: RelayRequestOf<'register'>,
): Promise<RelayAnswer> {
  const { parts, sender } = context
  const { type: _, n, signature, ...registration } = request
  parts.health.checkWritable()
  await checkSigned(context, registration, signature)
  const mayBegin = await parts.admission.allows(sender.peer)
  const fresh = await registerEpoch(parts, { registration, signature, mayBegin })
  if (fresh) context.epochChanged(registration.handle, registration.epoch)
  return { type: 'registered', n }
}

async function checkSigned(
  context: Context,
  registration: Registration,
  signature: Uint8Array,
): Promise<void> {
  const { parts } = context
  const { handle, previous, control } = registration
  const before = previous === undefined ? undefined : await parts.mailboxes.epoch(handle, previous)
  const key = previous === undefined ? control : before?.control
  if (await checkRegistration(parts.crypto, key ?? NOBODY, registration, signature)) return
  if (previous !== undefined) throw notFound()
  throw new PeerfoldError('RELAY_REFUSED', 'the registration is not signed by the key that it names')
}

/** By the relay's clock, which `welcome` tells. */
export function checkTime({ clock }: Parts, time: number): void {
  if (Math.abs(clock.now() - time) <= PROOF_MS) return
  throw new PeerfoldError('TIMEOUT', 'the proof is not of this minute')
}

/** @throws {PeerfoldError} `WORKSPACE_NOT_FOUND` unless it is open, `UNAUTHORIZED` unless in one of these roles */
export function requireOpen(context: Context, handle: string, roles: readonly Role[]) {
  const opened = context.opened.get(handle)
  if (opened === undefined) throw notFound()
  if (roles.includes(opened.role)) return opened
  throw new PeerfoldError('UNAUTHORIZED', `it is open for ${opened.role} only`)
}

export function isBreach(error: unknown): boolean {
  return isPeerfoldError(error, 'MESSAGE_INVALID')
}
