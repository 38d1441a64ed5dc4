/** Names that the tabs of one origin share, by the home of the device. */

/** Where clients say hello and a device says that it is there. */
export function helloChannel(home: string): string {
  return `peerfold/${home}`
}

/** Between the device and one client, for one connection. */
export function clientChannel(home: string, client: string): string {
  return `peerfold/${home}/${client}`
}

/** Web Lock that the leading tab holds. */
export function leaderLock(home: string): string {
  return `peerfold/${home}`
}

/** Web Lock that a client holds for as long as it is connected. */
export function clientLock(home: string, client: string): string {
  return `peerfold/${home}/client/${client}`
}

/** Web Lock that a running device holds. */
export function deviceLock(home: string, device: string): string {
  return `peerfold/${home}/device/${device}`
}
