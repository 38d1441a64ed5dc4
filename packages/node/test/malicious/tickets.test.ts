import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Invite, Network, Peerfold } from '@peerfold/core'
import { systemClock, systemRandom } from '@peerfold/core/platform'
import * as lengthPrefixed from 'it-length-prefixed'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeviceSecrets } from '../../../core/src/access/device-secrets.js'
import { decodeTicket, encodeTicket, type Ticket, ticketId } from '../../../core/src/access/ticket.js'
import { ticketProof } from '../../../core/src/access/ticket-proof.js'
import { pair } from '../../../core/src/sync/pairing.js'
import {
  decodePairingMessage,
  encodePairingMessage,
  type PairingMessage,
} from '../../../core/src/sync/pairing-messages.js'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { openPeerfold } from '../../src/open-peerfold.js'
import { createNodeCrypto } from '../../src/workers/node-crypto.js'
import { requestFor, Stranger } from '../e2e/stranger.js'

const PAIR = '/peerfold/pair/1'
const crypto = createNodeCrypto()

/** Someone who saw a ticket, or wrote down what passed while others paired, and speaks real libp2p. */
describe('a ticket in wrong hands', () => {
  let directory: string
  let laptop: Peerfold
  const strangers: Stranger[] = []

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerfold-tickets-'))
    const home = join(directory, 'laptop')
    laptop = await openPeerfold({ home, name: 'laptop', listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false })
    await laptop.identity.create()
    await laptop.workspaces.create('notes')
  }, 60_000)

  afterAll(async () => {
    for (const stranger of strangers) await stranger.close()
    await laptop.close()
    await crypto.close()
    await rm(directory, { recursive: true, force: true })
  }, 60_000)

  async function arrive(): Promise<Stranger> {
    const stranger = await Stranger.arrive(laptop.status.value.addresses)
    strangers.push(stranger)
    return stranger
  }

  async function invite(options?: { lifetime: number }): Promise<{ invite: Invite; ticket: Ticket }> {
    const made = await laptop.devices.invite(options)
    return { invite: made, ticket: decodeTicket(made.ticket) }
  }

  /** Devices that the user has, by the laptop's word. */
  async function active(): Promise<string[]> {
    return (await laptop.devices.list()).filter(({ state }) => state === 'active').map(({ name }) => name)
  }

  test('was used by another device: TICKET_USED, whoever comes and with whichever proof', async () => {
    const { invite: made, ticket } = await invite()
    const friend = await arrive()
    const claim = await claimOf(friend, ticket, 'friend')
    // The harmless twin: the device for which it was made.
    expect(await say(friend, claim, { type: 'stored' })).toMatchObject([{ type: 'welcome' }])
    expect((await made.accepted({ signal: AbortSignal.timeout(10_000) })).name).toBe('friend')
    const thief = await arrive()
    expect(await say(thief, await claimOf(thief, ticket, 'thief'))).toEqual([refused('TICKET_USED')])
    expect(await say(thief, claim)).toEqual([refused('TICKET_USED')])
    expect(await say(friend, claim, { type: 'stored' })).toEqual([refused('TICKET_USED')])
    expect(await active()).toEqual(['laptop', 'friend'])
  }, 60_000)

  test('has been claimed, though nothing is stored yet: it serves that device only', async () => {
    const { invite: made, ticket } = await invite()
    const friend = await arrive()
    const claim = await claimOf(friend, ticket, 'slow friend')
    // Hangs up before it has stored anything.
    await say(friend, claim)
    const thief = await arrive()
    expect(await say(thief, await claimOf(thief, ticket, 'thief'))).toEqual([refused('TICKET_USED')])
    expect(await say(friend, claim, { type: 'stored' })).toMatchObject([{ type: 'welcome' }])
    expect((await made.accepted({ signal: AbortSignal.timeout(10_000) })).name).toBe('slow friend')
    expect(await active()).not.toContain('thief')
  }, 60_000)

  test('has run out: TICKET_EXPIRED, also for who says that it has not', async () => {
    const { invite: made, ticket } = await invite({ lifetime: 1 })
    await expect(made.accepted({ signal: AbortSignal.timeout(10_000) })).rejects.toMatchObject({
      code: 'TICKET_EXPIRED',
    })
    const thief = await arrive()
    expect(await say(thief, await claimOf(thief, ticket, 'thief'))).toEqual([refused('TICKET_EXPIRED')])
    const forged = decodeTicket(encodeTicket({ ...ticket, expires: ticket.expires + 86_400_000 }))
    await expect(pairWith(thief, forged)).rejects.toMatchObject({ code: 'TICKET_EXPIRED' })
    expect(await active()).not.toContain('thief')
  }, 60_000)

  test('messages of a pairing that are sent again over another channel prove nothing', async () => {
    const { invite: made, ticket } = await invite()
    const friend = await arrive()
    const claim = await claimOf(friend, ticket, 'late friend')
    const thief = await arrive()
    // Before the friend comes, word for word; and without what came before.
    expect(await say(thief, claim)).toEqual([refused('TICKET_INVALID')])
    expect(await say(thief, { type: 'stored' })).toEqual([refused('MESSAGE_INVALID')])
    const [welcome] = await say(friend, claim, { type: 'stored' })
    expect(welcome?.type).toBe('welcome')
    expect((await made.accepted({ signal: AbortSignal.timeout(10_000) })).name).toBe('late friend')
    expect(await say(thief, claim, { type: 'stored' })).toEqual([refused('TICKET_USED')])
    expect(await active()).not.toContain('thief')
    await expectNotBelieved(friend, welcome as PairingMessage, ticket)
  }, 60_000)

  /** Someone answers a device with the welcome that its inviter once gave it. */
  async function expectNotBelieved(victim: Stranger, welcome: PairingMessage, ticket: Ticket): Promise<void> {
    const { peerSeed } = createDeviceSecrets(systemRandom)
    await using impostor = await listenAs(peerSeed)
    impostor.network.handle(PAIR, async (stream) => {
      await stream.send(lengthPrefixed.encode.single(encodePairingMessage(welcome)).subarray())
      for await (const _ of stream.source) break
    })
    const stored: unknown[] = []
    const lured = { ...ticket, inviter: impostor.network.peer, addresses: impostor.network.addresses() }
    await expect(pairWith(victim, lured, (got) => stored.push(got))).rejects.toMatchObject({
      code: 'PAIRING_REFUSED',
    })
    expect(stored).toEqual([])
  }
})

async function listenAs(peerSeed: Uint8Array): Promise<AsyncDisposable & { network: Network }> {
  const init = { peerSeed, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, dht: false }
  const network = await createLibp2pNetwork(init)
  return { network, [Symbol.asyncDispose]: () => network.close() }
}

async function claimOf(
  { secrets, network }: Stranger,
  ticket: Ticket,
  name: string,
): Promise<PairingMessage> {
  const request = await requestFor(secrets, ticket.user, name)
  const peers = { inviter: ticket.inviter, joiner: network.peer }
  const proof = ticketProof({ ...ticket, peers, role: 'joiner', payload: request })
  return { type: 'claim', ticket: ticketId(ticket.secret), request, proof }
}

function refused(code: string): PairingMessage {
  return { type: 'refuse', code } as PairingMessage
}

/** Sends these messages on one new stream, whatever comes back, and gives that. */
async function say(by: Stranger, ...messages: PairingMessage[]): Promise<PairingMessage[]> {
  const frames = messages.map((one) => lengthPrefixed.encode.single(encodePairingMessage(one)).subarray())
  const answer = await by.say(PAIR, frames)
  const answers: PairingMessage[] = []
  for (const frame of lengthPrefixed.decode([answer])) answers.push(decodePairingMessage(frame.subarray()))
  return answers
}

async function pairWith(
  { network, secrets }: Stranger,
  ticket: Ticket,
  stored: (welcome: unknown) => void = () => {},
): Promise<unknown> {
  const store = async (welcome: unknown) => stored(welcome)
  return await pair({ network, clock: systemClock, crypto, ticket, secrets, name: 'thief', store })
}
