import * as lengthPrefixed from 'it-length-prefixed'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDeviceRequest } from '../../src/access/device-request.js'
import { createDeviceSecrets, devicePublicKeys } from '../../src/access/device-secrets.js'
import { foldIdentity } from '../../src/access/identity-fold.js'
import {
  addDevice,
  createGenesis,
  emptyIdentity,
  type IdentityLog,
  identityBytes,
  mergeIdentity,
} from '../../src/access/identity-log.js'
import { Invitations } from '../../src/access/invitations.js'
import { createPhrase, rootSecrets } from '../../src/access/phrase.js'
import { type Ticket, ticketId } from '../../src/access/ticket.js'
import { ticketProof } from '../../src/access/ticket-proof.js'
import type { DeviceSecrets } from '../../src/access/types.js'
import { PeerfoldError } from '../../src/errors.js'
import type { Network, NetworkStream } from '../../src/ports/network.js'
import { acceptPairings, PAIR_PROTOCOL, PAIR_STEP_MS, pair } from '../../src/sync/pairing.js'
import {
  decodePairingMessage,
  encodePairingMessage,
  encodeWelcome,
  type PairingMessage,
  type Welcome,
} from '../../src/sync/pairing-messages.js'
import { createDeterministicCrypto } from '../../src/testing/deterministic-crypto.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { createMemoryHub, createMemoryNetwork, type MemoryHub } from '../../src/testing/memory-network.js'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'
import { advanceUntil } from './world.js'

// quick: what is tested here is who may pair, not the signature scheme
const crypto = createDeterministicCrypto({ signatures: 'simulated' })
const grant = Uint8Array.of(1, 2, 3)

let clock: ManualClock
let random: SeededRandom
let hub: MemoryHub
let inviter: Awaited<ReturnType<typeof createInviter>>
beforeEach(async () => {
  clock = createManualClock()
  random = createSeededRandom('pairing')
  hub = createMemoryHub({ clock, seed: 3 })
  inviter = await createInviter()
})
afterEach(() => inviter.close())

async function createInviter() {
  const root = rootSecrets(createPhrase(random))
  const secrets = createDeviceSecrets(random)
  const genesis = await createGenesis(crypto, root)
  const state = {
    identity: emptyIdentity(genesis.user),
    certified: 0,
    paired: [] as string[],
    failed: [] as string[],
  }
  const merge = async (bytes: Uint8Array) => {
    state.identity = (await mergeIdentity(crypto, state.identity, [bytes])).identity
  }
  await merge(genesis.bytes)
  const request = await createDeviceRequest({ crypto, secrets, user: genesis.user, name: 'inviter', time: 0 })
  await merge(await addDevice({ crypto, identity: state.identity, seed: root.rootSeed, time: 0 }, request))
  const network = createMemoryNetwork(hub, devicePublicKeys(crypto, secrets).peer)
  const invitations = new Invitations({ clock, random })
  const pairings = acceptPairings({
    network,
    clock,
    crypto,
    invitations,
    certify: async ({ certificate, bytes }) => {
      if (!devices(state.identity).includes(certificate.device)) {
        state.certified++
        await merge(
          await addDevice({ crypto, identity: state.identity, seed: secrets.signingSeed, time: 0 }, bytes),
        )
      }
      return { entries: identityBytes(state.identity), grants: [grant] }
    },
    onPaired: ({ device }) => state.paired.push(device),
    onFailed: (_, reason) => state.failed.push((reason as { code?: string }).code ?? reason.message),
  })
  const invite = () =>
    invitations.create({
      user: genesis.user,
      inviter: network.peer,
      addresses: network.addresses(),
      relays: [],
    })
  return {
    user: genesis.user,
    network,
    state,
    invitations,
    pairings,
    invite,
    close: async () => {
      await pairings.close()
      await network.close()
    },
  }
}

function devices(identity: IdentityLog): string[] {
  return [...foldIdentity(identity.entries.values()).standings.keys()]
}

interface Joiner {
  secrets: DeviceSecrets
  device: string
  network: Network
  stored: Welcome[]
}

function createJoiner(secrets = createDeviceSecrets(random)): Joiner {
  const { peer, device } = devicePublicKeys(crypto, secrets)
  return { secrets, device, network: createMemoryNetwork(hub, peer), stored: [] }
}

/** Joins, while the clock moves as far as it must. */
async function join(
  joiner: Joiner,
  ticket: Ticket,
  options: { store?: () => Promise<void>; signal?: AbortSignal } = {},
) {
  const store = async (welcome: Welcome) => {
    await options.store?.()
    joiner.stored.push(welcome)
  }
  const init = { network: joiner.network, clock, crypto, ticket, secrets: joiner.secrets, name: 'new', store }
  const began = clock.monotonic()
  const outcome = await settled(pair(init, options))
  return { ...outcome, took: clock.monotonic() - began }
}

async function settled<T>(promise: Promise<T>): Promise<{ value?: T; code?: string; error?: Error }> {
  let outcome: { value?: T; code?: string; error?: Error } | undefined
  promise.then(
    (value) => {
      outcome = { value }
    },
    (error) => {
      outcome = { code: error.code, error }
    },
  )
  await advanceUntil(clock, 'an outcome', () => outcome !== undefined, 120_000)
  return outcome ?? {}
}

describe('pairing', () => {
  test('makes the joiner a device of the user and hands it the keys, once', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    const { value } = await join(joiner, ticket)
    expect(value).toMatchObject({
      device: joiner.device,
      peer: joiner.network.peer,
      name: 'new',
      user: inviter.user,
    })
    expect(joiner.stored[0]?.grants).toEqual([grant])
    expect(devices(inviter.state.identity)).toContain(joiner.device)
    expect(inviter.state.paired).toEqual([joiner.device])
    expect(inviter.invitations.size).toBe(0)

    const late = createJoiner()
    expect(await join(late, ticket)).toMatchObject({ code: 'TICKET_USED' })
    expect(late.stored).toEqual([])
    expect(devices(inviter.state.identity)).not.toContain(late.device)
  })

  test('of two that race with one ticket exactly one wins', async () => {
    const ticket = inviter.invite()
    const [a, b] = [createJoiner(), createJoiner()]
    const outcomes = await Promise.all([join(a, ticket), join(b, ticket)])
    expect(outcomes.filter(({ value }) => value !== undefined)).toHaveLength(1)
    expect(outcomes.filter(({ code }) => code === 'TICKET_USED')).toHaveLength(1)
    expect(inviter.state.certified).toBe(1)
  })

  test('an expired ticket says so, whether or not its device is there', async () => {
    const ticket = inviter.invite()
    await clock.advance(600_001)
    expect(await join(createJoiner(), ticket)).toMatchObject({ code: 'TICKET_EXPIRED' })
    await inviter.close()
    expect(await join(createJoiner(), ticket)).toMatchObject({ code: 'TICKET_EXPIRED' })
  })

  test('a joiner whose clock is ahead can pair all the same', async () => {
    const ticket = { ...inviter.invite(), expires: clock.now() - 1 }
    expect((await join(createJoiner(), ticket)).value).toBeDefined()
  })

  test('nobody at the address, or another key there: DIAL_FAILED with the reasons', async () => {
    const ticket = inviter.invite()
    const nowhere = { ...ticket, addresses: ['/memory/nobody'] }
    expect(await join(createJoiner(), nowhere)).toMatchObject({ code: 'DIAL_FAILED' })
    const other = createMemoryNetwork(hub)
    const elsewhere = await join(createJoiner(), { ...ticket, addresses: other.addresses() })
    expect(elsewhere.code).toBe('DIAL_FAILED')
    expect(elsewhere.error?.message).toContain('another key')
    await other.close()
  })

  test('a device that takes no new ones refuses', async () => {
    const other = createMemoryNetwork(hub)
    const ticket = { ...inviter.invite(), inviter: other.peer, addresses: other.addresses() }
    expect(await join(createJoiner(), ticket)).toMatchObject({ code: 'PAIRING_REFUSED' })
    await other.close()
  })

  test('can be cancelled', async () => {
    const joiner = createJoiner()
    const signal = AbortSignal.abort(new PeerfoldError('ABORTED', 'enough'))
    expect(await join(joiner, inviter.invite(), { signal })).toMatchObject({ code: 'ABORTED' })
    expect(inviter.state.certified).toBe(0)
  })
})

describe('a crash in the middle', () => {
  test('before the joiner has stored: it tries again with the same keys and is paired, once', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    const crash = async () => {
      throw new Error('power cut')
    }
    expect((await join(joiner, ticket, { store: crash })).error?.message).toBe('power cut')
    expect(joiner.stored).toEqual([])
    await joiner.network.close()
    const again = createJoiner(joiner.secrets)
    expect((await join(again, ticket)).value).toMatchObject({ device: joiner.device })
    expect(inviter.state.certified).toBe(1)
    expect(inviter.state.paired).toEqual([joiner.device])
  })

  test('after the joiner has stored, before the inviter heard: the joiner is paired', async () => {
    const joiner = createJoiner()
    const cut = async () => hub.cut(joiner.network.peer, inviter.network.peer)
    const { value } = await join(joiner, inviter.invite(), { store: cut })
    expect(value?.device).toBe(joiner.device)
    expect(devices(inviter.state.identity)).toContain(joiner.device)
  })

  test('the inviter then learns it when it meets the device, once, and the ticket is spent', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    const cut = async () => hub.cut(joiner.network.peer, inviter.network.peer)
    await join(joiner, ticket, { store: cut })
    expect(inviter.state.paired).toEqual([])
    inviter.pairings.met('another device')
    expect(inviter.state.paired).toEqual([])
    inviter.pairings.met(joiner.device)
    inviter.pairings.met(joiner.device)
    expect(inviter.state.paired).toEqual([joiner.device])
    expect(await join(joiner, ticket)).toMatchObject({ code: 'TICKET_USED' })
  })

  test('the ticket that one joiner has claimed serves no other', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    await join(joiner, ticket, { store: () => Promise.reject(new Error('crash')) })
    expect(await join(createJoiner(), ticket)).toMatchObject({ code: 'TICKET_USED' })
    expect((await join(joiner, ticket)).value).toBeDefined()
  })

  test('nor the same peer with other keys', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    await join(joiner, ticket, { store: () => Promise.reject(new Error('crash')) })
    const swapped = {
      ...joiner,
      secrets: { ...createDeviceSecrets(random), peerSeed: joiner.secrets.peerSeed },
    }
    expect(await join(swapped, ticket)).toMatchObject({ code: 'PAIRING_REFUSED' })
    expect(inviter.state.certified).toBe(1)
  })
})

/** One end of a pairing, spoken by hand. */
function byHand(stream: NetworkStream) {
  const heard: PairingMessage[] = []
  const waiting = { ended: false }
  const read = async () => {
    for await (const frame of lengthPrefixed.decode(stream.source)) {
      heard.push(decodePairingMessage(frame.subarray()))
    }
  }
  read().then(
    () => {
      waiting.ended = true
    },
    () => {
      waiting.ended = true
    },
  )
  const frame = (bytes: Uint8Array) => stream.send(lengthPrefixed.encode.single(bytes))
  return { heard, waiting, frame, send: (message: PairingMessage) => frame(encodePairingMessage(message)) }
}

async function callInviter(joiner: Joiner) {
  await joiner.network.dial({ addresses: inviter.network.addresses() })
  return byHand(await joiner.network.open(inviter.network.peer, PAIR_PROTOCOL))
}

async function claimOf(joiner: Joiner, ticket: Ticket, secrets = joiner.secrets): Promise<PairingMessage> {
  const request = await createDeviceRequest({ crypto, secrets, user: ticket.user, name: 'x', time: 0 })
  const peers = { inviter: ticket.inviter, joiner: joiner.network.peer }
  const proof = ticketProof({ ...ticket, peers, role: 'joiner', payload: request })
  return { type: 'claim', ticket: ticketId(ticket.secret), request, proof }
}

async function refusal(joiner: Joiner, message: PairingMessage | Uint8Array) {
  const hand = await callInviter(joiner)
  if (message instanceof Uint8Array) await hand.frame(message)
  else await hand.send(message)
  await advanceUntil(clock, 'the end', () => hand.waiting.ended, 30_000)
  return hand.heard
}

describe('a hostile joiner', () => {
  test('with a wrong secret is refused; the fifth try kills the ticket', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    const guess = async () => {
      const claim = await claimOf(joiner, { ...ticket, secret: random.bytes(16) })
      return refusal(joiner, { ...claim, ticket: ticketId(ticket.secret) } as PairingMessage)
    }
    for (let i = 0; i < 5; i++) expect(await guess()).toEqual([{ type: 'refuse', code: 'TICKET_INVALID' }])
    expect(await guess()).toEqual([{ type: 'refuse', code: 'TICKET_USED' }])
    expect(await join(createJoiner(), ticket)).toMatchObject({ code: 'TICKET_USED' })
    expect(inviter.state.certified).toBe(0)
  })

  test('in the middle cannot put its key in place of the one that was claimed', async () => {
    const ticket = inviter.invite()
    const [honest, middle] = [createJoiner(), createJoiner()]
    const claim = await claimOf(honest, ticket)
    const own = await claimOf(middle, { ...ticket, secret: random.bytes(16) })
    // replayed as it is, over the channel of another key
    expect(await refusal(middle, claim)).toEqual([{ type: 'refuse', code: 'TICKET_INVALID' }])
    // with the request exchanged
    const exchanged = { ...claim, request: (own as { request: Uint8Array }).request } as PairingMessage
    expect(await refusal(honest, exchanged)).toEqual([{ type: 'refuse', code: 'TICKET_INVALID' }])
    expect(inviter.state.certified).toBe(0)
    expect((await join(honest, ticket)).value).toBeDefined()
  })

  test('who has the ticket cannot certify keys that are not its own', async () => {
    const ticket = inviter.invite()
    const [joiner, victim] = [createJoiner(), createJoiner()]
    const claim = await claimOf(joiner, ticket, victim.secrets)
    expect(await refusal(joiner, claim)).toEqual([{ type: 'refuse', code: 'CERTIFICATE_INVALID' }])
    expect(inviter.state.certified).toBe(0)
  })

  test('that sends garbage at any step is refused', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    expect(await refusal(joiner, Uint8Array.of(0x82, 1))).toEqual([
      { type: 'refuse', code: 'MESSAGE_INVALID' },
    ])
    expect(await refusal(joiner, { type: 'stored' })).toEqual([{ type: 'refuse', code: 'MESSAGE_INVALID' }])
    expect(await refusal(joiner, new Uint8Array(100_000))).toEqual([
      { type: 'refuse', code: 'MESSAGE_INVALID' },
    ])
    const hand = await callInviter(joiner)
    await hand.send(await claimOf(joiner, ticket))
    await advanceUntil(clock, 'the welcome', () => hand.heard.length === 1, 10_000)
    await hand.frame(Uint8Array.of(0xff))
    await advanceUntil(clock, 'the end', () => hand.waiting.ended, 30_000)
    expect(hand.heard[1]).toEqual({ type: 'refuse', code: 'MESSAGE_INVALID' })
    expect(inviter.state.paired).toEqual([])
  })

  test('that hangs at any step is given up within its deadline', async () => {
    const ticket = inviter.invite()
    const joiner = createJoiner()
    const silent = await callInviter(joiner)
    const began = clock.monotonic()
    await advanceUntil(clock, 'the end', () => silent.waiting.ended, 30_000)
    expect(clock.monotonic() - began).toBeLessThanOrEqual(PAIR_STEP_MS + 1000)
    const claimed = await callInviter(joiner)
    await claimed.send(await claimOf(joiner, ticket))
    await advanceUntil(clock, 'the end', () => claimed.waiting.ended, 30_000)
    expect(claimed.heard.map(({ type }) => type)).toEqual(['welcome', 'refuse'])
    expect(inviter.state.failed).toEqual(['TIMEOUT', 'TIMEOUT'])
    expect((await join(joiner, ticket)).value).toBeDefined()
  })

  test('cannot have more than a few pairings open', async () => {
    const joiner = createJoiner()
    const hands: Array<ReturnType<typeof byHand>> = []
    for (let i = 0; i < 20; i++) hands.push(await callInviter(joiner))
    await advanceUntil(
      clock,
      'some cut off',
      () => hands.filter(({ waiting }) => waiting.ended).length === 4,
      0,
    )
    await advanceUntil(clock, 'all cut off', () => hands.every(({ waiting }) => waiting.ended), 12_000)
  })
})

describe('a hostile inviter', () => {
  type Script = (hand: ReturnType<typeof byHand>, claim: PairingMessage & { type: 'claim' }) => Promise<void>

  /** Joins a made-up inviter that does as the script says after the claim. */
  async function joinScript(script: Script, secret = random.bytes(16)) {
    const fake = createJoiner()
    const joiner = createJoiner()
    fake.network.handle(PAIR_PROTOCOL, (stream) => {
      const hand = byHand(stream)
      const serve = async () => {
        while (hand.heard.length === 0 && !hand.waiting.ended) await null
        const claim = hand.heard[0]
        if (claim?.type === 'claim') await script(hand, claim)
      }
      void serve().catch(() => {})
    })
    const ticket: Ticket = {
      user: inviter.user,
      inviter: fake.network.peer,
      addresses: fake.network.addresses(),
      relays: [],
      secret,
      expires: clock.now() + 600_000,
    }
    const outcome = await join(joiner, ticket)
    return { ...outcome, joiner, ticket }
  }

  const welcomeOf = (
    ticketSecret: Uint8Array,
    joiner: string,
    inviterPeer: string,
    welcome: Welcome,
  ): PairingMessage => {
    const payload = encodeWelcome(welcome)
    const peers = { inviter: inviterPeer, joiner }
    const proof = ticketProof({ user: inviter.user, secret: ticketSecret, peers, role: 'inviter', payload })
    return { type: 'welcome', payload, proof }
  }

  test('that does not know the ticket is not believed', async () => {
    const proof = random.bytes(32)
    const payload = encodeWelcome({ entries: identityBytes(inviter.state.identity), grants: [] })
    const { code, joiner } = await joinScript((hand) => hand.send({ type: 'welcome', payload, proof }))
    expect(code).toBe('PAIRING_REFUSED')
    expect(joiner.stored).toEqual([])
  })

  test('that does not certify this device is not believed', async () => {
    const secret = random.bytes(16)
    const script: Script = async (hand, claim) => {
      const [fake, joiner] = hub.peers().slice(-2) as [string, string]
      expect(claim.ticket).toBe(ticketId(secret))
      await hand.send(
        welcomeOf(secret, joiner, fake, { entries: identityBytes(inviter.state.identity), grants: [] }),
      )
    }
    const { code, joiner } = await joinScript(script, secret)
    expect(code).toBe('CERTIFICATE_INVALID')
    expect(joiner.stored).toEqual([])
  })

  test('that hangs, sends garbage, closes or refuses: an error in time, nothing stored', async () => {
    const scripts: Array<[string, Script]> = [
      ['TIMEOUT', async () => {}],
      ['MESSAGE_INVALID', (hand) => hand.frame(Uint8Array.of(1, 2, 3))],
      ['MESSAGE_INVALID', (hand) => hand.send({ type: 'stored' })],
      ['TICKET_USED', (hand) => hand.send({ type: 'refuse', code: 'TICKET_USED' })],
      ['PAIRING_REFUSED', (hand) => hand.send({ type: 'refuse', code: 'INTERNAL' })],
    ]
    for (const [expected, script] of scripts) {
      const { code, took, joiner } = await joinScript(script)
      expect(code).toBe(expected)
      expect(took).toBeLessThanOrEqual(PAIR_STEP_MS + 1000)
      expect(joiner.stored).toEqual([])
    }
  })
})
