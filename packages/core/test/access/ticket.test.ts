import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Invitations, MAX_OPEN_TICKETS, MAX_WRONG_PROOFS } from '../../src/access/invitations.js'
import {
  checkExpiry,
  decodeTicket,
  encodeTicket,
  encodeTicketLink,
  type Ticket,
  ticketId,
} from '../../src/access/ticket.js'
import { checkTicketProof, ticketProof } from '../../src/access/ticket-proof.js'
import { isPeerfoldError } from '../../src/errors.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { testDevice, testUser } from './fixtures.js'

const user = await testUser('ticket')
const inviter = (await testDevice(user, 'laptop')).peer
const joiner = (await testDevice(user, 'desktop')).peer
const stranger = (await testDevice(user, 'stranger')).peer
const ticket: Ticket = {
  user: user.user,
  inviter,
  addresses: ['/ip4/192.168.1.7/tcp/4001', '/ip6/fe80::1/tcp/4001'],
  relays: ['/dns4/relay.example/tcp/443/wss'],
  secret: user.random.bytes(16),
  expires: 1767225600000,
}
const line = encodeTicket(ticket)

describe('a ticket', () => {
  test('is one line, and a link, and both are read back', () => {
    expect(line).toMatch(/^peerfold:[1-9A-HJ-NP-Za-km-z]+$/)
    expect(decodeTicket(line)).toEqual(ticket)
    expect(encodeTicketLink(ticket)).toMatch(/^peerfold:\/\/join#/)
    expect(decodeTicket(encodeTicketLink(ticket))).toEqual(ticket)
  })

  test('is read with white space around it and line breaks inside it', () => {
    expect(decodeTicket(`\n\t ${line}  \r\n`)).toEqual(ticket)
    expect(decodeTicket(`${line.slice(0, 60)}\n  ${line.slice(60)}`)).toEqual(ticket)
    expect(decodeTicket(`PEERFOLD:${line.slice(9)}`)).toEqual(ticket)
  })

  test('cut anywhere it is refused', () => {
    for (let length = 0; length < line.length; length++) expectInvalid(line.slice(0, length))
  })

  test('with any one character mistyped it is refused', () => {
    for (let i = 9; i < line.length; i++) {
      expectInvalid(`${line.slice(0, i)}${line[i] === 'x' ? 'y' : 'x'}${line.slice(i + 1)}`)
      expectInvalid(line.slice(0, i) + line.slice(i + 1))
    }
  })

  test('is never mistaken for other text', () => {
    for (const text of [
      '',
      'peerfold:',
      'https://example.com/',
      `${line}${line}`,
      'peerfold:0OIl',
      'x'.repeat(10_000),
    ]) {
      expectInvalid(text)
    }
    fc.assert(
      fc.property(fc.string(), (text) => expectInvalid(`peerfold:${text}`)),
      { seed: 1 },
    )
  })

  test('keeps at most sixteen addresses, and none that is too long', () => {
    const addresses = Array.from({ length: 40 }, (_, i) => `/ip4/10.0.0.${i}/tcp/4001`)
    const many = { ...ticket, addresses: ['x'.repeat(300), ...addresses] }
    expect(decodeTicket(encodeTicket(many)).addresses).toEqual(addresses.slice(0, 16))
  })

  test('runs out', () => {
    expect(() => checkExpiry(ticket, ticket.expires - 1)).not.toThrow()
    expect(() => checkExpiry(ticket, ticket.expires)).toThrow(
      expect.objectContaining({ code: 'TICKET_EXPIRED' }),
    )
  })

  function expectInvalid(text: string): void {
    try {
      decodeTicket(text)
    } catch (error) {
      expect(isPeerfoldError(error, 'TICKET_INVALID'), String(error)).toBe(true)
      return
    }
    expect.unreachable(`${text} was accepted`)
  }
})

describe('the proof of a ticket', () => {
  const peers = { inviter, joiner }
  const payload = new Uint8Array([1, 2, 3])
  const init = { user: user.user, secret: ticket.secret, peers, role: 'joiner' as const, payload }
  const proof = ticketProof(init)

  test('holds for what it was made for', () => {
    expect(checkTicketProof(init, proof)).toBe(true)
  })

  test('fails for another secret, user, role, payload or peer: a thief in the middle has other PeerIds (case 46)', () => {
    const others = [
      { ...init, secret: new Uint8Array(16) },
      { ...init, user: '00'.repeat(32) },
      { ...init, role: 'inviter' as const },
      { ...init, payload: new Uint8Array([1, 2, 4]) },
      { ...init, peers: { inviter, joiner: stranger } },
      { ...init, peers: { inviter: stranger, joiner } },
      { ...init, peers: { inviter: joiner, joiner: inviter } },
    ]
    for (const other of others) expect(checkTicketProof(other, proof)).toBe(false)
  })

  test('fails with any bit changed, cut or empty', () => {
    for (let bit = 0; bit < 256; bit++) {
      const bent = proof.slice()
      bent[bit >>> 3] = (bent[bit >>> 3] as number) ^ (1 << (bit & 7))
      expect(checkTicketProof(init, bent)).toBe(false)
    }
    expect(checkTicketProof(init, proof.subarray(0, 31))).toBe(false)
    expect(checkTicketProof(init, new Uint8Array())).toBe(false)
    expect(checkTicketProof(init, new Uint8Array([...proof, 0]))).toBe(false)
  })
})

describe('invitations', () => {
  const payload = new Uint8Array([7])

  function open() {
    let time = 0
    const clock = { now: () => 1767225600000 + time, monotonic: () => time }
    const invitations = new Invitations({ clock, random: createSeededRandom('invitations') })
    const made = invitations.create({ user: user.user, inviter, addresses: [], relays: [] })
    const claim = (over: { joiner?: string; secret?: Uint8Array } = {}) => {
      const peers = { inviter, joiner: over.joiner ?? joiner }
      const secret = over.secret ?? made.secret
      const proof = ticketProof({ user: user.user, secret, peers, role: 'joiner', payload })
      return { id: ticketId(made.secret), peers, payload, proof }
    }
    return { invitations, made, claim, pass: (ms: number) => (time += ms) }
  }
  const refused = (code: string) => expect.objectContaining({ code })

  test('serve the one device that proves the ticket, again if its connection broke, and nobody else', () => {
    const { invitations, made, claim } = open()
    expect(invitations.redeem(claim())).toBe(made)
    expect(invitations.redeem(claim())).toBe(made)
    expect(() => invitations.redeem(claim({ joiner: stranger }))).toThrow(refused('TICKET_USED'))
    invitations.complete(ticketId(made.secret))
    expect(() => invitations.redeem(claim())).toThrow(refused('TICKET_USED'))
  })

  test('last ten minutes', () => {
    const { invitations, made, claim, pass } = open()
    pass(599_999)
    expect(invitations.size).toBe(1)
    pass(1)
    expect(invitations.size).toBe(0)
    expect(() => invitations.redeem(claim())).toThrow(refused('TICKET_EXPIRED'))
    expect(made.expires).toBe(1767225600000 + 600_000)
  })

  test('end after five wrong proofs, even for who knows the secret', () => {
    const { invitations, claim } = open()
    for (let i = 0; i < MAX_WRONG_PROOFS; i++) {
      expect(() => invitations.redeem(claim({ secret: new Uint8Array(16) }))).toThrow(
        refused('TICKET_INVALID'),
      )
    }
    expect(() => invitations.redeem(claim())).toThrow(refused('TICKET_USED'))
  })

  test('can be withdrawn, and do not know tickets of others', () => {
    const { invitations, made, claim } = open()
    expect(() => invitations.redeem({ ...claim(), id: '00'.repeat(16) })).toThrow(refused('TICKET_INVALID'))
    invitations.withdraw(ticketId(made.secret))
    invitations.withdraw(ticketId(made.secret))
    expect(() => invitations.redeem(claim())).toThrow(refused('TICKET_USED'))
  })

  test('are bounded in number', () => {
    const { invitations } = open()
    const init = { user: user.user, inviter, addresses: [], relays: [] }
    for (let i = 1; i < MAX_OPEN_TICKETS; i++) invitations.create(init)
    expect(() => invitations.create(init)).toThrow(refused('BUSY'))
  })
})
