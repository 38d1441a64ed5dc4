import type { FetchBlocks } from '../exchange/fetch-blocks.js'
import type { AbortOptions } from '../ports/abort.js'
import type { BlockStore } from '../ports/block-store.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { FileSystem } from '../ports/file-system.js'
import type { WorkspaceId } from '../ports/ids.js'
import type { KeyValue } from '../ports/key-value.js'
import type { LogStore } from '../ports/log-store.js'
import type { Network } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import type { Watcher } from '../ports/watcher.js'
import type { PollRelay } from './relays/rest.js'

/** The stores of one workspace on one device. */
export interface WorkspaceStores {
  log: LogStore
  blocks: BlockStore
  /** The index: everything in it can be rebuilt. */
  index: KeyValue
}

/** A device's home: where its stores lie. Platform packages implement it. */
export interface Home {
  /** What is kept here may be gone at any time, as in a browser: nobody counts on it. @default false */
  readonly lossy?: boolean
  /** 32 bytes that seal the journal; made with the home. */
  readonly key: Uint8Array
  journal(options?: AbortOptions): Promise<LogStore>
  /** Opens, or makes, the stores of a workspace. The caller closes each. */
  workspace(id: string, options?: AbortOptions): Promise<WorkspaceStores>
  /** Deletes the stores of a workspace. */
  removeWorkspace(id: string): Promise<void>
  /** Releases the home. Idempotent. */
  close(): Promise<void>
}

/** A real file system, where the platform has one. */
export interface Disk {
  /** Where the device's home lies: no synced folder may hold it, or lie in it. */
  home: string
  files: FileSystem
  watcher: Watcher
  /** The journal of a workspace's folder on this device: what was last equal on disk and in the workspace. */
  journal(workspace: WorkspaceId): Promise<LogStore>
  /** The canonical absolute form of a directory (links resolved), and the directories around it, nearest first. */
  locate(directory: string): Promise<{ directory: string; ancestors: string[] }>
}

/** What a platform gives a device. */
export interface PeerfoldComponents {
  home: Home
  crypto: Crypto
  clock: Clock
  random: Random
  /** Makes the network once the device has its key, the Ed25519 seed of the PeerId. Absent: the device stays offline. */
  network?: (init: { peerSeed: Uint8Array }, options?: AbortOptions) => Promise<Network>
  disk?: Disk
  /** Asks relays over HTTP between sessions, for networks where streams don't last. Absent: sessions are kept. */
  poll?: PollRelay
  /** Brings blocks from the HTTP side of relays, where that is faster than streams, as in browsers. Absent: they come by streams. */
  fetchBlocks?: FetchBlocks
}
