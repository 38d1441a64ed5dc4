import type { OfferPorts } from '../tabs/dial.js'
import type { PortOffer } from '../tabs/greeting.js'
import type { PageMessenger } from './keep-alive.js'

/** Gives each page a port to the service worker: the one that runs the device passes it on, the others let it lie. */
export function offerPortsTo({ clients }: PageMessenger, home: string): OfferPorts {
  return async (hello) => {
    const pages = await clients.matchAll()
    return pages.map((page) => {
      const { port1, port2 } = new MessageChannel()
      page.postMessage({ type: 'peerfold:port', home, ...hello } satisfies PortOffer, [port2])
      return port1
    })
  }
}
