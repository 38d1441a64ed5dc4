import type { Clock, Network } from '@peerfold/core'

const FIRST_PAUSE = 1_000
const LONGEST_PAUSE = 60_000

/** Dials these addresses now and whenever their peer is gone, with growing pauses, until the network is closed. */
export function keepConnected(network: Network, addresses: readonly string[], clock: Clock): Network {
  const stop = new AbortController()
  for (const address of addresses) void keepDialling(network, address, clock, stop.signal)
  const close = network.close.bind(network)
  network.close = () => {
    stop.abort()
    return close()
  }
  return network
}

async function keepDialling(network: Network, address: string, clock: Clock, signal: AbortSignal) {
  const peer = address.split('/p2p/').at(-1)
  let pause = FIRST_PAUSE
  while (!signal.aborted) {
    const connected = network.connections().some((connection) => connection.peer === peer)
    const reached = connected || (await dial(network, address, signal))
    pause = reached ? FIRST_PAUSE : Math.min(2 * pause, LONGEST_PAUSE)
    await clock.sleep(reached ? LONGEST_PAUSE : pause, { signal }).catch(() => {})
  }
}

/** A bootstrap peer that is down is nothing to report: there may be others, and it may come back. */
async function dial(network: Network, address: string, signal: AbortSignal): Promise<boolean> {
  return network.dial({ addresses: [address] }, { signal }).then(
    () => true,
    () => false,
  )
}
