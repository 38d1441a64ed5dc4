import { PeerfoldError } from '@peerfold/core'

/** Of the messages between clients and a device. Tabs that were opened before an update may speak an older one. */
export const PROTOCOL_VERSION = 1

/** Who wants to be connected. */
export interface Hello {
  client: string
  version: number
}

/** What is said on the hello channel. */
export type Greeting =
  | ({ type: 'hello' } & Hello)
  /** A device has started, or has been asked for. */
  | { type: 'here'; token: number }

/**
 * What a service worker says to each page, with a port: the page whose worker is the device passes the port on. Between a worker and a service
 * worker of one process a port carries several times what a `BroadcastChannel` does, which goes by way of the browser's process.
 */
export interface PortOffer extends Hello {
  type: 'peerfold:port'
  home: string
}

/** The first message on a client's channel. */
export type Answer =
  | { type: 'welcome'; device: string; token: number }
  | { type: 'refused'; code: 'PROTOCOL_UNSUPPORTED' | 'BUSY' }

/** Undefined for what is no greeting: anything of this origin can post there. */
export function parseGreeting(message: unknown): Greeting | undefined {
  const { type, client, version, token } = fieldsOf(message)
  if (type === 'hello' && typeof client === 'string' && typeof version === 'number')
    return { type, client, version }
  if (type === 'here' && typeof token === 'number') return { type, token }
  return undefined
}

/** Undefined for what is no offer of a port to this home's device. */
export function parseOffer(message: unknown, home: string): PortOffer | undefined {
  const { type, client, version, ...rest } = fieldsOf(message)
  if (type !== 'peerfold:port' || rest.home !== home) return undefined
  if (typeof client !== 'string' || typeof version !== 'number') return undefined
  return { type, home, client, version }
}

/** Undefined for what is no answer. @throws {PeerfoldError} what the device refused with */
export function parseAnswer(message: unknown): (Answer & { type: 'welcome' }) | undefined {
  const { type, device, token, code } = fieldsOf(message)
  if (type === 'welcome' && typeof device === 'string' && typeof token === 'number')
    return { type, device, token }
  if (type !== 'refused') return undefined
  if (code === 'BUSY') throw new PeerfoldError('BUSY', 'too many tabs use this device')
  throw new PeerfoldError('PROTOCOL_UNSUPPORTED', 'another tab runs another version of this app', {
    hint: 'Reload all tabs of this app.',
  })
}

function fieldsOf(message: unknown): Record<string, unknown> {
  return typeof message === 'object' && message !== null ? (message as Record<string, unknown>) : {}
}
