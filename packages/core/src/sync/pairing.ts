import { checkDeviceRequest, createDeviceRequest, type DeviceRequest } from '../access/device-request.js'
import { devicePublicKeys } from '../access/device-secrets.js'
import { foldIdentity } from '../access/identity-fold.js'
import { emptyIdentity, mergeIdentity } from '../access/identity-log.js'
import type { Invitations } from '../access/invitations.js'
import { type Ticket, ticketId } from '../access/ticket.js'
import { checkTicketProof, type PairingPeers, ticketProof } from '../access/ticket-proof.js'
import type { DeviceCertificate, DeviceSecrets } from '../access/types.js'
import { raceSignal, withDeadline } from '../async/deadline.js'
import { equalBytes } from '../encoding/bytes.js'
import { type ErrorCode, isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId } from '../ports/ids.js'
import type { Network, NetworkStream, PeerId } from '../ports/network.js'
import { Channel } from './channel.js'
import {
  decodePairingMessage,
  decodeWelcome,
  encodePairingMessage,
  encodeWelcome,
  MAX_CLAIM_BYTES,
  MAX_WELCOME_BYTES,
  type PairingMessage,
  type PairingMessageOf,
  type Welcome,
} from './pairing-messages.js'

/**
 * Pairing: PROTOCOL.md §6.7.
 *
 * Participants: an inviter, a device of the user that made a ticket; a joiner, a new device whose person has the ticket.
 * Goals: the joiner becomes a device of the user, its keys certified by the inviter; both prove that they know the ticket's secret, bound to
 * both PeerIds; one device per ticket; every step ends within ten seconds with a reason; a crash leaves the joiner paired or not, and the
 * same joiner may try again with the same keys.
 * Non-goals: secrets short enough to type (they would need a PAKE), hiding from an observer that two peers pair.
 */
export const PAIR_PROTOCOL = '/peerfold/pair/1'
/** For each step, on both sides. */
export const PAIR_STEP_MS = 10_000
/** A person waits for the joiner to say what went wrong. */
const JOINER_REFUSES_MS = 1000
/** Pairings under way at one inviter. */
const MAX_PAIRINGS = 16

const TOLD: ReadonlySet<ErrorCode> = new Set([
  'TICKET_USED',
  'TICKET_EXPIRED',
  'TICKET_INVALID',
  'CERTIFICATE_INVALID',
  'DEVICE_REVOKED',
  'PAIRING_REFUSED',
  'MESSAGE_INVALID',
  'BUSY',
  'TIMEOUT',
])

export interface AcceptPairingsInit {
  network: Network
  clock: Clock
  crypto: Pick<Crypto, 'verify'>
  invitations: Invitations
  /**
   * Certifies a device whose request was checked, durably, and says what it needs. Must give the same device again without a second entry when
   * called twice: a joiner may come back.
   */
  certify: (request: DeviceRequest, options: AbortOptions) => Promise<Welcome>
  /** The joiner has stored what it got; its ticket is spent. Once for each ticket. */
  onPaired?: (certificate: DeviceCertificate, ticket: string) => void
  onFailed?: (peer: PeerId, reason: Error) => void
}

/** The inviter's side, at work. */
export interface Pairings {
  /** That device has proved elsewhere that it holds what the pairing gave it: it need not say so any more. */
  met(device: DeviceId): void
  /** Pairings under way end. */
  close(): Promise<void>
}

/** The device that each open ticket serves, so that a second try cannot bring other keys. */
type Served = Map<string, DeviceCertificate>

/** Answers joiners. */
export function acceptPairings(init: AcceptPairingsInit): Pairings {
  const closing = new AbortController()
  const tasks = new Set<Promise<void>>()
  const devices: Served = new Map()
  init.network.handle(PAIR_PROTOCOL, (stream) => {
    if (tasks.size >= MAX_PAIRINGS || closing.signal.aborted) {
      stream.abort(new PeerfoldError('BUSY', 'too many pairings at a time'))
      return
    }
    const task = accept(init, stream, devices, { signal: closing.signal }).finally(() => tasks.delete(task))
    tasks.add(task)
  })
  return {
    met: (device) => {
      for (const [ticket, certificate] of devices)
        if (certificate.device === device) complete(init, devices, ticket)
    },
    close: async () => {
      init.network.unhandle(PAIR_PROTOCOL)
      closing.abort(new PeerfoldError('CLOSED', 'pairing was closed'))
      await Promise.allSettled(tasks)
    },
  }
}

/** The ticket is spent. By whichever way that is learnt first. */
function complete({ invitations, onPaired }: AcceptPairingsInit, devices: Served, ticket: string): void {
  const certificate = devices.get(ticket)
  if (certificate === undefined) return
  devices.delete(ticket)
  invitations.complete(ticket)
  onPaired?.(certificate, ticket)
}

async function accept(
  init: AcceptPairingsInit,
  stream: NetworkStream,
  devices: Served,
  options: AbortOptions,
): Promise<void> {
  const { clock, crypto, invitations } = init
  const step = stepsOf(clock, options)
  const channel = channelOf(stream, clock, MAX_CLAIM_BYTES)
  const peers = { inviter: init.network.peer, joiner: stream.peer }
  try {
    const claim = await step('waiting for the claim', () => expect(channel, 'claim'))
    const ticket = redeem(invitations, peers, claim)
    const request = await step('checking the device', (signal) =>
      checkDeviceRequest(crypto, claim.request, { user: ticket.user, peer: peers.joiner }, { signal }),
    )
    bind(devices, claim.ticket, request.certificate)
    const welcome = await step('certifying', (signal) => init.certify(request, { signal }))
    await step('sending the welcome', () => channel.send(prove(ticket, peers, encodeWelcome(welcome))))
    await step('waiting until it is stored', () => expect(channel, 'stored'))
    complete(init, devices, claim.ticket)
    await step('closing', (signal) => channel.close({ signal })).catch(() => {})
  } catch (error) {
    init.onFailed?.(stream.peer, asError(error))
    await refuse(channel, clock, error, PAIR_STEP_MS, options)
  }
}

export interface PairInit {
  network: Network
  clock: Clock
  crypto: Pick<Crypto, 'sign' | 'verify' | 'publicKey'>
  ticket: Ticket
  /** Of the new device; `network.peer` is the PeerId of `peerSeed`. Durable before, so that a second try has the same keys. */
  secrets: DeviceSecrets
  /** Shown to people. */
  name: string
  /** Makes what came durable. The inviter hears that the pairing is complete only after this has resolved. */
  store: (welcome: Welcome & { certificate: DeviceCertificate }) => Promise<void>
}

/**
 * Joins the user that made the ticket. May be called again with the same ticket and secrets after a failure.
 *
 * @throws {PeerfoldError} `DIAL_FAILED`, `TICKET_USED`, `TICKET_EXPIRED`, `TICKET_INVALID`, `PAIRING_REFUSED`, `CERTIFICATE_INVALID`,
 * `TIMEOUT`, each within ten seconds of the step it belongs to
 */
export async function pair(init: PairInit, options: AbortOptions = {}): Promise<DeviceCertificate> {
  const { clock, network, ticket } = init
  const step = stepsOf(clock, options)
  const channel = await call(init, step)
  const peers = { inviter: ticket.inviter, joiner: network.peer }
  try {
    const request = await deviceRequest(init, options)
    const proof = ticketProof({ ...ticket, peers, role: 'joiner', payload: request })
    await step('sending the claim', () =>
      channel.send({ type: 'claim', ticket: ticketId(ticket.secret), request, proof }),
    )
    const answer = await step('waiting for the welcome', () => expect(channel, 'welcome'))
    const welcome = await step('checking the welcome', () => checkWelcome(init, peers, answer, options))
    await init.store(welcome)
    await step('confirming', () => channel.send({ type: 'stored' })).catch(() => {})
    // the inviter closes when it has heard; when it does not, the pairing is complete all the same
    await step('closing', () => channel.next()).catch(() => {})
    channel.abort(new PeerfoldError('CLOSED', 'paired'))
    return welcome.certificate
  } catch (error) {
    await refuse(channel, clock, error, JOINER_REFUSES_MS, options)
    throw error
  }
}

type Step = <T>(what: string, task: (signal: AbortSignal) => Promise<T>) => Promise<T>

function stepsOf(clock: Clock, options: AbortOptions): Step {
  return (what, task) =>
    withDeadline(
      clock,
      PAIR_STEP_MS,
      `pairing: ${what}`,
      (signal) => raceSignal(task(signal), signal),
      options,
    )
}

function channelOf(stream: NetworkStream, clock: Clock, maxFrame: number): Channel<PairingMessage> {
  return new Channel({
    stream,
    clock,
    maxFrame,
    encode: encodePairingMessage,
    decode: decodePairingMessage,
  })
}

async function call({ network, clock, ticket }: PairInit, step: Step): Promise<Channel<PairingMessage>> {
  const target = { peer: ticket.inviter, addresses: ticket.addresses }
  try {
    await step('dialling', (signal) => network.dial(target, { signal }))
    const stream = await step('opening', (signal) => network.open(ticket.inviter, PAIR_PROTOCOL, { signal }))
    return channelOf(stream, clock, MAX_WELCOME_BYTES)
  } catch (cause) {
    // whether it is over by the inviter's clock only the inviter knows: without it, ours has to do
    if (clock.now() >= ticket.expires && !isPeerfoldError(cause, 'ABORTED')) {
      throw new PeerfoldError('TICKET_EXPIRED', 'the ticket has run out, and its device does not answer', {
        cause,
      })
    }
    if (isPeerfoldError(cause, 'TIMEOUT')) throw new PeerfoldError('DIAL_FAILED', cause.message, { cause })
    if (isPeerfoldError(cause, 'PROTOCOL_UNSUPPORTED')) {
      throw new PeerfoldError('PAIRING_REFUSED', 'the other device takes no new devices now', { cause })
    }
    throw cause
  }
}

function deviceRequest({ crypto, secrets, ticket, name, clock }: PairInit, options: AbortOptions) {
  const time = Math.max(0, Math.trunc(clock.now()))
  return createDeviceRequest({ crypto, secrets, user: ticket.user, name, time }, options)
}

function redeem(invitations: Invitations, peers: PairingPeers, claim: PairingMessageOf<'claim'>): Ticket {
  const { ticket: id, request: payload, proof } = claim
  return invitations.redeem({ id, peers, payload, proof })
}

/** @throws {PeerfoldError} `PAIRING_REFUSED` */
function bind(devices: Served, ticket: string, certificate: DeviceCertificate): void {
  const bound = devices.get(ticket) ?? certificate
  if (bound.device !== certificate.device)
    throw new PeerfoldError('PAIRING_REFUSED', 'the ticket was claimed with other keys')
  devices.set(ticket, bound)
  const [oldest] = devices.keys()
  if (devices.size > 4 * MAX_PAIRINGS && oldest !== undefined) devices.delete(oldest)
}

function prove(ticket: Ticket, peers: PairingPeers, payload: Uint8Array): PairingMessage {
  return { type: 'welcome', payload, proof: ticketProof({ ...ticket, peers, role: 'inviter', payload }) }
}

/** The welcome comes from who made the ticket, and its identity log makes this device one of the user's. */
async function checkWelcome(
  { crypto, secrets, ticket }: PairInit,
  peers: PairingPeers,
  { payload, proof }: PairingMessageOf<'welcome'>,
  options: AbortOptions,
): Promise<Welcome & { certificate: DeviceCertificate }> {
  if (!checkTicketProof({ ...ticket, peers, role: 'inviter', payload }, proof)) {
    throw new PeerfoldError('PAIRING_REFUSED', 'the other device does not know the ticket')
  }
  const welcome = decodeWelcome(payload)
  const { identity } = await mergeIdentity(crypto, emptyIdentity(ticket.user), welcome.entries, options)
  const keys = devicePublicKeys(crypto, secrets)
  const standing = foldIdentity(identity.entries.values()).standings.get(keys.device)
  const certificate = standing?.certificate
  if (
    standing?.state !== 'active' ||
    certificate === undefined ||
    !equalBytes(certificate.boxKey, keys.boxKey)
  ) {
    throw new PeerfoldError('CERTIFICATE_INVALID', 'the other device did not certify this one')
  }
  return { ...welcome, certificate }
}

async function expect<K extends PairingMessage['type']>(
  channel: Channel<PairingMessage>,
  type: K,
): Promise<PairingMessageOf<K>> {
  const message = await channel.next()
  if (message === undefined)
    throw new PeerfoldError('NOT_CONNECTED', `the other side closed instead of sending ${type}`)
  if (message.type === 'refuse') throw refusalOf(message)
  if (message.type !== type) throw new PeerfoldError('MESSAGE_INVALID', `${message.type} instead of ${type}`)
  return message as PairingMessageOf<K>
}

function refusalOf({ code }: PairingMessageOf<'refuse'>): PeerfoldError {
  const known = TOLD.has(code) ? code : 'PAIRING_REFUSED'
  return new PeerfoldError(known, `the other device refused: ${code}`, { details: { remote: true } })
}

/** Says why it ends, unless the other side did. A courtesy, so not for long. */
async function refuse(
  channel: Channel<PairingMessage>,
  clock: Clock,
  error: unknown,
  ms: number,
  options: AbortOptions,
): Promise<void> {
  const reason = asError(error)
  if (!isPeerfoldError(reason) || (!reason.details.remote && reason.code !== 'NOT_CONNECTED')) {
    const code = isPeerfoldError(reason) && TOLD.has(reason.code) ? reason.code : 'PAIRING_REFUSED'
    const tell = async (signal: AbortSignal) => {
      await channel.send({ type: 'refuse', code })
      await channel.close({ signal })
      while ((await channel.next()) !== undefined) {}
    }
    await withDeadline(clock, ms, 'refusing', tell, options).catch(() => {})
  }
  channel.abort(reason)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
