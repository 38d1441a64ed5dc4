import {
  checkExpiry,
  decodeTicket,
  encodeTicket,
  encodeTicketLink,
  type Ticket,
  ticketId,
} from '../access/ticket.js'
import type { DeviceListing, IdentityOptions, Invite } from '../api.js'
import { raceSignal } from '../async/deadline.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId } from '../ports/ids.js'
import { pair } from '../sync/pairing.js'
import type { Connectivity } from './connectivity.js'
import type { IdentityStore } from './identity-store.js'
import type { Presence } from './presence.js'
import type { RelayBook } from './relays/relay-book.js'
import type { Workspaces } from './workspaces.js'

export interface DevicesInit {
  identity: IdentityStore
  workspaces: Workspaces
  crypto: Crypto
  clock: Clock
  presence(): Presence
  relays: RelayBook
  /** @throws {PeerfoldError} `NO_PATH` on a device that was opened offline */
  connectivity(): Connectivity
  /** This device has a user from now on. */
  begin(options?: AbortOptions): Promise<void>
}

/** As many as a ticket can name. */
const MAX_TICKET_RELAYS = 8
/** `<the relay's address>/p2p/<relay>` before the circuit. */
const RELAY_OF_CIRCUIT = /^(.+\/p2p\/[^/]+)\/p2p-circuit/

/** The devices of the user: how further ones come in, which there are, how they go. */
export class Devices {
  readonly #init: DevicesInit

  constructor(init: DevicesInit) {
    this.#init = init
  }

  list(): DeviceListing[] {
    const { identity, presence } = this.#init
    return [...identity.standings.values()].map(({ certificate: { device, name, peer }, state }) => ({
      id: device,
      name,
      peer,
      state,
      current: device === identity.keys.device,
      connected: presence().isConnected(device),
      lastSeen: presence().lastSeen(device),
    }))
  }

  /** @throws {PeerfoldError} `DEVICE_NOT_FOUND` */
  async revoke(id: DeviceId, options?: AbortOptions): Promise<void> {
    const { identity, workspaces } = this.#init
    if (identity.standings.get(id)?.state !== 'active')
      throw new PeerfoldError('DEVICE_NOT_FOUND', `no active device ${id}`)
    await identity.revoke(id, options)
    await workspaces.rotateAll(options)
  }

  async invite({ lifetime, signal }: AbortOptions & { lifetime?: number } = {}): Promise<Invite> {
    const { identity, clock } = this.#init
    const { user, keys } = identity
    const connectivity = this.#init.connectivity()
    const { invitations, network } = connectivity
    signal?.throwIfAborted()
    const ticket = invitations.create({
      user,
      inviter: keys.peer,
      addresses: network.addresses(),
      relays: this.#relayAddresses(network.addresses()),
      lifetime,
    })
    const id = ticketId(ticket.secret)
    const ended = new AbortController()
    const paired = pairedWith(connectivity, id, ended.signal)
    clock.sleep(Math.max(0, ticket.expires - clock.now()), { signal: ended.signal }).then(
      () => ended.abort(new PeerfoldError('TICKET_EXPIRED', 'nobody used the ticket in time')),
      () => {},
    )
    const close = async (): Promise<void> => {
      invitations.withdraw(id)
      ended.abort(new PeerfoldError('CLOSED', 'the invitation was withdrawn'))
    }
    return {
      ticket: encodeTicket(ticket),
      url: encodeTicketLink(ticket),
      expires: new Date(ticket.expires),
      accepted: async (options) => {
        const signals = options?.signal === undefined ? [ended.signal] : [ended.signal, options.signal]
        const device = await raceSignal(paired, AbortSignal.any(signals))
        return this.list().find((listing) => listing.id === device) as DeviceListing
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  }

  /** As they were given; and as the relays themselves say, which a browser may need: those are in the addresses by which this device is reached through them. */
  #relayAddresses(own: readonly string[]): string[] {
    const told = own.flatMap((address) => RELAY_OF_CIRCUIT.exec(address)?.[1] ?? [])
    const each = this.#init.relays.list().map(({ peer, addresses }) => {
      const more = told.filter((address) => address.endsWith(`/p2p/${peer}`))
      return [...new Set([...addresses, ...more])]
    })
    const most = Math.floor(MAX_TICKET_RELAYS / Math.max(1, each.length))
    return each.flatMap((addresses) => addresses.slice(0, most))
  }

  /** @param name of this device, if it has none yet */
  async join(text: string, name: string, { signal }: IdentityOptions = {}): Promise<void> {
    const { identity, clock } = this.#init
    const ticket = decodeTicket(text)
    checkExpiry(ticket, clock.now())
    if (identity.hasIdentity) await this.#introduce(ticket, { signal })
    else await this.#pair(ticket, name, { signal })
  }

  async #pair(ticket: Ticket, name: string, options: AbortOptions): Promise<void> {
    const { identity, begin } = this.#init
    await this.#claim(ticket, name, (entries) => identity.adopt(ticket.user, entries), options)
    await begin(options)
    this.#init.connectivity().dialer.learn(ticket.inviter, ticket.addresses)
  }

  /**
   * A recovered device is certified by the phrase already: the inviter learns that first, so as not to certify it again. Then it uses the ticket
   * like any other, so that the ticket is spent.
   */
  async #introduce(ticket: Ticket, options: AbortOptions): Promise<void> {
    const { identity } = this.#init
    if (ticket.user !== identity.user) identity.throwIfExists()
    const isKnown = identity.byPeer(ticket.inviter)?.state === 'active'
    await this.#init.connectivity().introduce(ticket.inviter, ticket.addresses, options)
    const name = identity.own?.certificate.name ?? ''
    try {
      await this.#claim(ticket, name, (entries) => identity.merge(entries), options)
    } catch (error) {
      // Who says `join` a second time has got what the ticket gives.
      if (!isKnown || !isPeerfoldError(error, 'TICKET_USED')) throw error
    }
  }

  async #claim(
    ticket: Ticket,
    name: string,
    learn: (entries: Uint8Array[]) => Promise<unknown>,
    options: AbortOptions,
  ): Promise<void> {
    const { identity, workspaces, clock, crypto, relays } = this.#init
    const { network } = this.#init.connectivity()
    const store = async ({ entries, grants }: { entries: Uint8Array[]; grants: Uint8Array[] }) => {
      await learn(entries)
      const inviter = identity.byPeer(ticket.inviter)
      if (inviter !== undefined) await workspaces.accept(inviter.certificate, grants)
    }
    await pair({ network, clock, crypto, ticket, secrets: identity.secrets, name, store }, options)
    for (const address of ticket.relays) await relays.add(address, options)
  }
}

function pairedWith(connectivity: Connectivity, ticket: string, ended: AbortSignal): Promise<DeviceId> {
  return new Promise((resolve) => {
    const stop = connectivity.onPaired((certificate, used) => {
      if (used === ticket) resolve(certificate.device)
    })
    ended.addEventListener('abort', stop, { once: true })
  })
}
