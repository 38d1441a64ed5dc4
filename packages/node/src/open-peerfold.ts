import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { AbortOptions, Network, Peerfold, TransferRates } from '@peerfold/core'
import { createPeerfold, systemClock, systemRandom } from '@peerfold/core/platform'
import { locateDirectory } from './file-system/locate-directory.js'
import { createNodeFileSystem } from './file-system/node-file-system.js'
import { createNodeWatcher } from './file-system/node-watcher.js'
import { openHome } from './home/open-home.js'
import { pollRelay } from './net/poll-relay.js'
import { createNodeCrypto } from './workers/node-crypto.js'

export interface OpenPeerfoldOptions extends AbortOptions {
  /** Directory for keys, logs and blocks; made when missing, readable by its owner only. */
  home: string
  /** Shown to people on the other devices. @default the host's name */
  name?: string
  /** Multiaddrs to listen on. @default any free TCP and WebSocket port on all addresses */
  listen?: string[]
  /** Look for devices on the local network. @default true */
  mdns?: boolean
  /** Without a network: for reading and writing what is here. @default false */
  offline?: boolean
  /** Ask relays over HTTP between sessions, for networks where streams don't last. @default false */
  poll?: boolean
  /** How fast file contents may leave and come, bytes per second, at least 16384. @default as fast as can be */
  rates?: TransferRates
}

/**
 * Opens a device: its identity, workspaces and connections.
 *
 * @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`
 * @example
 * ```ts
 * await using pf = await openPeerfold({ home: '/tmp/peerfold-example', offline: true })
 * await pf.identity.create()
 * const notes = await pf.workspaces.create('notes')
 * await notes.write('today.md', '# Today')
 * ```
 */
export async function openPeerfold(options: OpenPeerfoldOptions): Promise<Peerfold> {
  const crypto = createNodeCrypto()
  const home = await openHome(resolve(options.home), { crypto }).catch(async (error: unknown) => {
    await crypto.close()
    throw error
  })
  try {
    return await createPeerfold(
      {
        home,
        crypto,
        clock: systemClock,
        random: systemRandom,
        ...(options.poll === true ? { poll: pollRelay } : undefined),
        network: options.offline === true ? undefined : ({ peerSeed }) => openNetwork(peerSeed, options),
        disk: {
          home: home.directory,
          files: createNodeFileSystem(),
          watcher: createNodeWatcher(),
          journal: (workspace) => home.folderJournal(workspace),
          locate: locateDirectory,
        },
      },
      { name: options.name ?? hostname(), rates: options.rates, signal: options.signal },
    )
  } catch (error) {
    await crypto.close()
    await home.close()
    throw error
  }
}

/** libp2p is most of what there is to load, and a device that stays offline does not need it. */
async function openNetwork(peerSeed: Uint8Array, { listen, mdns }: OpenPeerfoldOptions): Promise<Network> {
  const { createLibp2pNetwork } = await import('./net/create-libp2p-network.js')
  return await createLibp2pNetwork({ peerSeed, listen, mdns })
}
