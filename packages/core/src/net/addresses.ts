import { isMultiaddr, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { isCircuit } from '../encoding/circuit-address.js'
import type { Clock } from '../ports/clock.js'
import type { Carrier, PeerId } from '../ports/network.js'

const names = (address: Multiaddr) => new Set(address.getComponents().map((component) => component.name))

/** What a connection to this address runs over. */
export function carrierOf(address: Multiaddr): Carrier {
  const parts = names(address)
  if (parts.has('webrtc') || parts.has('webrtc-direct')) return 'webrtc'
  if (parts.has('p2p-circuit')) return 'circuit'
  if (parts.has('ws') || parts.has('wss')) return 'websocket'
  return parts.has('memory') ? 'memory' : 'tcp'
}

/** The peer that an address names as its last part. */
export function peerOf(address: Multiaddr): PeerId | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' ? last.value : undefined
}

/** An address that ends in `/p2p/<peer>`. @throws {Error} when it is none, or names another peer */
export function addressOf(text: string, peer: PeerId | undefined): Multiaddr {
  const address = multiaddr(text)
  const named = peerOf(address)
  if (peer === undefined || named === peer) return address
  if (named !== undefined) throw new Error(`the address names another peer, ${named}`)
  return address.encapsulate(`/p2p/${peer}`)
}

/** Whether text is a multiaddr at all. */
export function isAddress(text: string): boolean {
  try {
    return isMultiaddr(multiaddr(text))
  } catch {
    return false
  }
}

/** As many as messages and tickets take. */
const MAX_OWN = 16

/** Own addresses to be told: circuits, which are few and the last hope, before what goes beyond the limit. */
export function ownAddresses(all: readonly string[]): string[] {
  const circuits = all.filter(isCircuit).slice(0, MAX_OWN / 2)
  const direct = all.filter((address) => !isCircuit(address))
  return [...direct.slice(0, MAX_OWN - circuits.length), ...circuits]
}

/**
 * In which order to dial: the most promising, then ways that are direct, and circuits as soon as these have had their time. Many addresses of a
 * home network answer nothing at all elsewhere, and each costs seconds.
 */
export function* dialOrder(addresses: readonly string[], clock: Clock, headStart: number): Generator<string> {
  const [first, ...others] = addresses
  const until = clock.monotonic() + headStart
  if (first !== undefined) yield first
  const circuits = others.filter(isCircuit)
  for (const address of others.filter((other) => !isCircuit(other))) {
    if (clock.monotonic() >= until) yield* circuits.splice(0)
    yield address
  }
  yield* circuits
}

/** Addresses of a peer in the form in which others are told them. */
export function fullAddresses(addresses: readonly Multiaddr[], peer: PeerId): string[] {
  return addresses.map((address) =>
    (peerOf(address) === undefined ? address.encapsulate(`/p2p/${peer}`) : address).toString(),
  )
}
