import type { Peerfold, RelayListing } from '../../api.js'
import type { KnownRelay, RelayBook } from './relay-book.js'
import { errorOf, type Relays } from './relays.js'

/** `Peerfold.relays` over the book, and over what is at work when the device is not offline. */
export function relaysApi(book: RelayBook, online: () => Relays | undefined): Peerfold['relays'] {
  const atRest = (relay: KnownRelay): RelayListing => ({
    ...relay,
    connected: false,
    bytes: 0,
    quota: 0,
    ...errorOf(book.lie(relay.peer)),
  })
  const list = () => online()?.list() ?? book.list().map(atRest)
  return {
    list,
    add: async (address, options) => {
      const added = await book.add(address, options)
      return list().find(({ peer }) => peer === added.peer) ?? atRest(added)
    },
    remove: (relay, options) => book.remove(book.find(relay).peer, options),
  }
}
