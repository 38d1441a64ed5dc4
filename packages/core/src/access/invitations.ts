import { PeerfoldError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { UserId } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import { TICKET_LIFETIME_MS, TICKET_SECRET_BYTES, type Ticket, ticketId } from './ticket.js'
import { checkTicketProof, type PairingPeers } from './ticket-proof.js'

/** Wrong proofs after which a ticket is dead. */
export const MAX_WRONG_PROOFS = 5
/** Tickets that one device has open at a time. */
export const MAX_OPEN_TICKETS = 16
/** Ended tickets that are remembered, so that a late comer learns why it was refused. */
const MAX_ENDED = 256

export interface InvitationsInit {
  clock: Pick<Clock, 'now' | 'monotonic'>
  random: Random
}

export interface InvitationInit {
  user: UserId
  inviter: PeerId
  addresses: readonly string[]
  relays: readonly string[]
  /** Milliseconds. @default 600000 */
  lifetime?: number
}

type Ending = 'used' | 'expired' | 'withdrawn' | 'guessed'

interface Open {
  ticket: Ticket
  /** On the monotonic clock: setting the wall clock back does not revive a ticket. */
  deadline: number
  wrong: number
  joiner: PeerId | undefined
}

const ENDINGS: Record<Ending, () => PeerfoldError> = {
  used: () => new PeerfoldError('TICKET_USED', 'another device has used this ticket'),
  expired: () => new PeerfoldError('TICKET_EXPIRED', 'the ticket has run out'),
  withdrawn: () => new PeerfoldError('TICKET_USED', 'the ticket was withdrawn'),
  guessed: () => new PeerfoldError('TICKET_USED', 'the ticket is closed after too many wrong proofs'),
}

/**
 * The tickets that this device has made: each serves one joining device, once, in time. Kept in memory only, so a restart ends all.
 *
 * @example
 * ```ts
 * const invitations = new Invitations({ clock, random })
 * const ticket = invitations.create({ user, inviter: network.peer, addresses: network.addresses(), relays: [] })
 * // later, with what a joiner sent over a channel that proved its PeerId:
 * invitations.redeem({ id, peers, payload, proof }) // the ticket, or throws why not
 * ```
 */
export class Invitations {
  readonly #init: InvitationsInit
  readonly #open = new Map<string, Open>()
  readonly #ended = new Map<string, Ending>()

  constructor(init: InvitationsInit) {
    this.#init = init
  }

  /** @throws {PeerfoldError} `BUSY` while sixteen are open */
  create({ user, inviter, addresses, relays, lifetime = TICKET_LIFETIME_MS }: InvitationInit): Ticket {
    this.#expire()
    if (this.#open.size >= MAX_OPEN_TICKETS) {
      throw new PeerfoldError('BUSY', `${MAX_OPEN_TICKETS} tickets are open`, {
        hint: 'Use one of them, or wait until one has run out.',
      })
    }
    const { clock, random } = this.#init
    const secret = random.bytes(TICKET_SECRET_BYTES)
    const expires = clock.now() + lifetime
    const ticket = { user, inviter, addresses: [...addresses], relays: [...relays], secret, expires }
    const deadline = clock.monotonic() + lifetime
    this.#open.set(ticketId(secret), { ticket, deadline, wrong: 0, joiner: undefined })
    return ticket
  }

  /**
   * Takes a joiner's proof. The ticket then belongs to that PeerId: it may come again, should its connection have failed half-way;
   * nobody else may.
   *
   * @throws {PeerfoldError} `TICKET_USED`, `TICKET_EXPIRED`, `TICKET_INVALID` (unknown here, or a wrong proof)
   */
  redeem(claim: { id: string; peers: PairingPeers; payload: Uint8Array; proof: Uint8Array }): Ticket {
    this.#expire()
    const { id, peers, payload, proof } = claim
    const open = this.#open.get(id)
    if (open === undefined) throw this.#refusal(id)
    const { user, secret } = open.ticket
    if (!checkTicketProof({ user, secret, peers, role: 'joiner', payload }, proof)) {
      if (++open.wrong >= MAX_WRONG_PROOFS) this.#end(id, 'guessed')
      throw new PeerfoldError('TICKET_INVALID', 'the proof for this ticket is wrong')
    }
    if (open.joiner !== undefined && open.joiner !== peers.joiner) throw ENDINGS.used()
    open.joiner = peers.joiner
    return open.ticket
  }

  /** The joiner has what it came for: the ticket is spent for everyone. Idempotent. */
  complete(id: string): void {
    this.#end(id, 'used')
  }

  /** Makes a ticket worthless. Idempotent. */
  withdraw(id: string): void {
    this.#end(id, 'withdrawn')
  }

  /** How many can still be redeemed. */
  get size(): number {
    this.#expire()
    return this.#open.size
  }

  #refusal(id: string): PeerfoldError {
    const ending = this.#ended.get(id)
    if (ending !== undefined) return ENDINGS[ending]()
    return new PeerfoldError('TICKET_INVALID', 'this device does not know the ticket', {
      hint: 'The device that made it may have restarted: make a new ticket there.',
    })
  }

  #expire(): void {
    const now = this.#init.clock.monotonic()
    for (const [id, { deadline }] of this.#open) if (now >= deadline) this.#end(id, 'expired')
  }

  #end(id: string, ending: Ending): void {
    if (!this.#open.delete(id)) return
    this.#ended.set(id, ending)
    const [oldest] = this.#ended.keys()
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest)
  }
}
