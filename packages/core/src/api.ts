import type { ExportOptions, ExportReport } from './export/types.js'
import type { FolderActivity, FolderSync } from './folder/types.js'
import type { AbortOptions } from './ports/abort.js'
import type { DeviceId, UserId, WorkspaceId } from './ports/ids.js'
import type { Carrier } from './ports/network.js'
import type { Live, Workspace } from './workspace/types.js'

/** The public face of a device, implemented by `peerfold.ts`. */

export type State = 'synced' | 'syncing' | 'offline' | 'paused' | 'error'

export interface DeviceInfo {
  id: DeviceId
  name: string
  user: UserId
  /** libp2p PeerId. */
  peer: string
}

export interface DeviceListing {
  id: DeviceId
  name: string
  peer: string
  state: 'active' | 'revoked' | 'suspended'
  /** This very device. */
  current: boolean
  connected: boolean
  lastSeen: Date | undefined
}

/** A relay that this device uses. */
export interface RelayListing {
  /** libp2p PeerId. */
  peer: string
  addresses: string[]
  connected: boolean
  /** What the workspaces of this device take there, and may take, in bytes. */
  bytes: number
  quota: number
  /** Why nothing goes there, or what is wrong with it. */
  error?: { code: string; message: string; hint: string }
}

export interface PeerStatus {
  id: string
  kind: 'device' | 'relay'
  name: string
  connected: boolean
  via: Carrier | undefined
}

export interface WorkspaceStatus {
  id: WorkspaceId
  name: string
  folder: string | undefined
  state: State
  files: number
  bytes: number
  pending: { files: number; bytes: number }
  /** Whether it has been looked at, since the start, what is here and what is not: until then the fields below may say too little. */
  checked: boolean
  /** How many devices of the user, this one included, and relays are known to hold everything durably, connected or not. Browsers are never counted. */
  copies: { min: number }
  /** Files of which something is not here, and that no connected device gives; the device that wrote it, and when that was seen last. At most 100. */
  waitingFor: Array<{ path: string; device: string | undefined; lastSeen: string | undefined }>
  /** Present when `state` is `error`, or `paused` by the brake rather than by a person. */
  error?: { code: string; message: string; hint: string }
  issues: Array<{ path: string; code: string; message: string }>
}

export interface Status {
  device: DeviceInfo
  /** Own addresses. */
  addresses: string[]
  peers: PeerStatus[]
  relays: RelayListing[]
  workspaces: WorkspaceStatus[]
  /** Set when there is no way to any peer. */
  problem?: { code: string; message: string; hint: string }
}

export interface Invite extends AsyncDisposable {
  /** One line that starts with `peerfold:`. */
  ticket: string
  /** The same as a URL. */
  url: string
  expires: Date
  /** Resolves with the device that joined; rejects with `TICKET_EXPIRED` or the signal's reason. */
  accepted(options?: AbortOptions): Promise<DeviceListing>
  /** Makes the ticket worthless. Idempotent. */
  close(): Promise<void>
}

export interface IdentityOptions extends AbortOptions {
  /** Name of this device. @default what the platform was opened with */
  name?: string
}

export interface Peerfold extends AsyncDisposable {
  /** @throws {PeerfoldError} `NO_IDENTITY` before `identity.create`, `identity.recover` or `devices.join`. */
  readonly device: DeviceInfo
  readonly hasIdentity: boolean
  readonly status: Live<Status>
  identity: {
    /** A new user with this as the first device. The phrase is shown once and kept nowhere. */
    create(options?: IdentityOptions): Promise<{ phrase: string }>
    /**
     * The same user on this new device.
     * @param options.relays addresses of relays that keep the user's recovery bundle: workspaces come from there. @default none
     * @throws {PeerfoldError} `PHRASE_INVALID`, `IDENTITY_EXISTS`, `DIAL_FAILED`; `NOT_FOUND` when no relay has anything for the phrase
     */
    recover(phrase: string, options?: IdentityOptions & { relays?: readonly string[] }): Promise<void>
  }
  devices: {
    /** @param options.lifetime milliseconds. @default 600000 */
    invite(options?: AbortOptions & { lifetime?: number }): Promise<Invite>
    /**
     * Joins the user that made the ticket.
     * @throws {PeerfoldError} `TICKET_INVALID`, `TICKET_EXPIRED`, `TICKET_USED`, `DIAL_FAILED`, `PAIRING_REFUSED`
     */
    join(ticket: string, options?: IdentityOptions): Promise<Workspace[]>
    list(options?: AbortOptions): Promise<DeviceListing[]>
    /** Removes a device: new keys in every workspace, sessions end. @throws {PeerfoldError} `DEVICE_NOT_FOUND` */
    revoke(id: DeviceId, options?: AbortOptions): Promise<void>
  }
  /** Always-on nodes that hold what is sealed for devices that are away. */
  relays: {
    /**
     * Uses a relay from now on: everything goes there, too.
     * @param address a multiaddr that ends in `/p2p/<PeerId>`, as the relay prints it
     * @throws {PeerfoldError} `INVALID_ARGUMENT`
     */
    add(address: string, options?: AbortOptions): Promise<RelayListing>
    list(): RelayListing[]
    /** Uses it no more; what it holds stays there. @param relay address, PeerId or its beginning. @throws {PeerfoldError} `RELAY_NOT_FOUND` */
    remove(relay: string, options?: AbortOptions): Promise<void>
  }
  workspaces: {
    create(name: string, options?: AbortOptions): Promise<Workspace>
    /** By id, unique id prefix, or unique name. @throws {PeerfoldError} `WORKSPACE_NOT_FOUND`, `WORKSPACE_AMBIGUOUS` */
    open(id: string, options?: AbortOptions): Promise<Workspace>
    list(options?: AbortOptions): Promise<Array<{ id: WorkspaceId; name: string }>>
    /** Drops the workspace from this device only. */
    forget(id: WorkspaceId, options?: AbortOptions): Promise<void>
    /**
     * Writes a workspace as plain files into a new or empty directory; nothing is overwritten. Called again after it was interrupted, or with
     * something lacking, it goes on where it stopped.
     *
     * @returns what was written, and all that is lacking
     * @throws {PeerfoldError} `ALREADY_EXISTS`, `NOT_A_FOLDER`, `FOLDER_NOT_FOUND`, `FOLDER_NESTED`, `IO_FAILED`
     * @example
     * ```ts
     * const { lacking } = await pf.workspaces.export('notes', '/media/stick/notes', { history: true })
     * for (const { path, message } of lacking) console.log(path, message)
     * ```
     */
    export(id: WorkspaceId, directory: string, options?: ExportOptions): Promise<ExportReport>
  }
  /** Directories kept equal to workspaces; only where the platform has a file system. */
  folders: {
    /**
     * Binds a workspace to a directory, durably, and starts to sync it. What lies there is merged, never deleted.
     * @throws {PeerfoldError} `FOLDER_NOT_FOUND`, `FOLDER_NESTED`, `FOLDER_IN_USE`
     */
    add(workspace: WorkspaceId, directory: string, options?: AbortOptions): Promise<FolderSync>
    /** A new workspace from a directory: nothing is made when the directory cannot be used. */
    create(
      name: string,
      directory: string,
      options?: AbortOptions,
    ): Promise<{ workspace: Workspace; folder: FolderSync }>
    /** Throws what `add` would throw. */
    check(directory: string, options?: AbortOptions): Promise<void>
    list(): Array<{ workspace: WorkspaceId; directory: string; paused: boolean }>
    /**
     * Starts to sync every bound directory that is not paused. One that cannot be synced now says so in `status`. Idempotent.
     * @param options.paused open them for looking only: nothing is synced until `resume`. @default false
     */
    start(options?: AbortOptions & { paused?: boolean }): Promise<void>
    get(workspace: WorkspaceId): FolderSync | undefined
    /** Stops syncing a directory until `resume`, also over restarts. Idempotent. @throws {PeerfoldError} `FOLDER_NOT_FOUND` */
    pause(workspace: WorkspaceId, options?: AbortOptions): Promise<void>
    /** Idempotent. @throws {PeerfoldError} `FOLDER_NOT_FOUND` */
    resume(workspace: WorkspaceId, options?: AbortOptions): Promise<void>
    /** Told of each file that is published or applied, in any folder. */
    onActivity(listener: (workspace: WorkspaceId, activity: FolderActivity) => void): () => void
    /** Ends syncing and forgets the binding; the files stay. */
    remove(workspace: WorkspaceId): Promise<void>
  }
  /**
   * A barrier: all that was on disk and in workspaces before the call is scanned, committed, and held durably by all connected devices.
   * @throws {PeerfoldError} `NO_PEERS` when no device is connected; `FOLDER_PAUSED`
   */
  settled(options?: AbortOptions): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}
