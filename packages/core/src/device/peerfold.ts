import {
  checkExpiry,
  decodeTicket,
  encodeTicket,
  encodeTicketLink,
  type Ticket,
  ticketId,
} from '../access/ticket.js'
import type { DeviceInfo, DeviceListing, IdentityOptions, Invite, Peerfold, Status } from '../api.js'
import { raceSignal, withDeadline } from '../async/deadline.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { FolderActivity, FolderSync } from '../folder/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { DeviceId, WorkspaceId } from '../ports/ids.js'
import { pair } from '../sync/pairing.js'
import type { Live, Workspace } from '../workspace/types.js'
import { Acknowledgements } from './acknowledgements.js'
import type { PeerfoldComponents } from './components.js'
import { Connectivity } from './connectivity.js'
import { Folders } from './folders.js'
import { IdentityStore } from './identity-store.js'
import { type DeviceJournal, openDeviceJournal } from './journal.js'
import { LiveStatus } from './live-status.js'
import { Presence } from './presence.js'
import { settle } from './settle.js'
import { computeStatus, type StatusParts } from './status.js'
import { DeviceAuthority } from './sync-authority.js'
import { Workspaces } from './workspaces.js'

export interface CreatePeerfoldOptions extends AbortOptions {
  /** Name of this device, where the identity does not say another. */
  name: string
}

/**
 * Opens a device over what a platform gives it. Platform packages call this; apps call their `openPeerfold`.
 *
 * Takes over `components.home` and `components.crypto`: `close` closes them.
 */
export async function createPeerfold(
  components: PeerfoldComponents,
  options: CreatePeerfoldOptions,
): Promise<Peerfold> {
  const { home, crypto, clock, random } = components
  const journal = await openDeviceJournal(
    { store: await home.journal(options), key: home.key, crypto, random },
    options,
  )
  try {
    const identity = await IdentityStore.open({ journal, wrapKey: home.key, crypto, clock, random }, options)
    const device = new Device(components, options, journal, identity)
    await device.open(options)
    return device
  } catch (error) {
    await journal.close()
    throw error
  }
}

/** How long a recovered device waits to be handed the first workspace. */
const GRANT_MS = 5000
const GRANT_LOOK_MS = 50

class Device implements Peerfold {
  readonly #components: PeerfoldComponents
  readonly #name: string
  readonly #journal: DeviceJournal
  readonly #identity: IdentityStore
  readonly #acknowledgements: Acknowledgements
  readonly #workspaces: Workspaces
  readonly #folders: Folders | undefined
  #connectivity: Connectivity | undefined
  #presence: Presence
  #status: LiveStatus | undefined
  #closed: Promise<void> | undefined

  readonly identity: Peerfold['identity']
  readonly devices: Peerfold['devices']
  readonly workspaces: Peerfold['workspaces']
  readonly folders: Peerfold['folders']

  constructor(
    components: PeerfoldComponents,
    { name }: CreatePeerfoldOptions,
    journal: DeviceJournal,
    identity: IdentityStore,
  ) {
    this.#components = components
    this.#name = name
    this.#journal = journal
    this.#identity = identity
    const { disk, clock, random } = components
    const sync = () => this.#connectivity?.sync
    this.#acknowledgements = new Acknowledgements({ journal, clock, sync })
    const earlier = (id: DeviceId) => this.#acknowledgements.lastSeen(id)
    this.#presence = new Presence(undefined, () => clock.now(), earlier)
    this.#workspaces = new Workspaces({
      ...components,
      journal,
      identity,
      acknowledgements: this.#acknowledgements,
      connectivity: () => this.#connectivity,
      folderRests: (id) => this.#folderRests(id),
      onStatus: () => this.#status?.touch(),
    })
    this.#folders =
      disk === undefined
        ? undefined
        : new Folders({
            disk,
            journal,
            clock,
            random,
            source: async (id) => this.#workspaces.find(id).folderSource,
            onStatus: (id) => {
              this.#workspaces.get(id)?.settle()
              this.#status?.touch()
            },
          })
    this.identity = {
      create: (options) => this.#createIdentity(options),
      recover: (phrase, options) => this.#recoverIdentity(phrase, options),
    }
    this.devices = {
      invite: (options) => this.#invite(options),
      join: (ticket, options) => this.#join(ticket, options),
      list: async () => this.#listDevices(),
      revoke: (id, options) => this.#revoke(id, options),
    }
    this.workspaces = {
      create: async (workspace, options) => (await this.#workspaces.create(workspace, options)).openFacade(),
      open: async (id) => this.#workspaces.find(id).openFacade(),
      list: async () =>
        this.#workspaces.all().map((workspace) => ({ id: workspace.id, name: workspace.name })),
      forget: (id) => this.#forget(id),
    }
    this.folders = {
      add: (id, directory, options) => this.#disk().add(this.#workspaces.find(id).id, directory, options),
      create: (workspace, directory, options) => this.#createFolder(workspace, directory, options),
      check: async (directory) => void (await this.#disk().check(directory)),
      list: () => this.#folders?.list() ?? [],
      start: async (options) => await this.#folders?.start(options),
      get: (id) => this.#folders?.get(id),
      onActivity: (listener: (workspace: WorkspaceId, activity: FolderActivity) => void) =>
        this.#folders?.onActivity(listener) ?? (() => {}),
      remove: (id) => this.#disk().remove(id),
    }
  }

  async open(options?: AbortOptions): Promise<void> {
    const { network, crypto, clock, random } = this.#components
    if (network !== undefined) {
      this.#connectivity = new Connectivity({
        network: await network({ peerSeed: this.#identity.secrets.peerSeed }, options),
        identity: this.#identity,
        authority: new DeviceAuthority(this.#identity, this.#workspaces),
        journal: this.#journal,
        crypto,
        clock,
        random,
        discoveryKeys: () => this.#workspaces.discoveryKeys(),
      })
      const { sync, dialer } = this.#connectivity
      const earlier = (id: DeviceId) => this.#acknowledgements.lastSeen(id)
      this.#presence = new Presence(sync, () => clock.now(), earlier)
      sync.on('progress', (_, handle) => this.#acknowledgements.note(handle))
      for (const event of ['open', 'closed', 'progress'] as const) sync.on(event, () => this.#status?.touch())
      dialer.on('problem', () => this.#status?.touch())
    }
    try {
      if (this.#identity.hasIdentity) await this.#begin(options)
    } catch (error) {
      await this.#connectivity?.close()
      throw error
    }
  }

  get hasIdentity(): boolean {
    return this.#identity.hasIdentity
  }

  get device(): DeviceInfo {
    const { keys, user, own } = this.#identity
    return { id: keys.device, name: own?.certificate.name ?? this.#name, user, peer: keys.peer }
  }

  get status(): Live<Status> {
    if (this.#status === undefined) throw new PeerfoldError('NO_IDENTITY', 'this device has no identity yet')
    return this.#status
  }

  async settled(options?: AbortOptions): Promise<void> {
    this.#identity.throwIfNone()
    await settle(
      {
        clock: this.#components.clock,
        folders: this.#folders,
        connectivity: this.#connectivity,
        workspaces: () => this.#workspaces.all(),
        hasOthers: () => this.#identity.others().length > 0,
      },
      options,
    )
    await this.#status?.refresh()
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** From here on this device has a user: its workspaces open, and it talks to the user's other devices. */
  async #begin(options?: AbortOptions): Promise<void> {
    await this.#workspaces.openAll(options)
    const parts: StatusParts = {
      identity: this.#identity,
      presence: this.#presence,
      folders: this.#folders,
      sync: this.#connectivity?.sync,
      acknowledgements: this.#acknowledgements,
      addresses: () => this.#connectivity?.network.addresses() ?? [],
      workspaces: () => this.#workspaces.all(),
      problem: () => this.#connectivity?.dialer.problem,
    }
    const compute = () => computeStatus(parts)
    this.#status = new LiveStatus({ clock: this.#components.clock, compute }, await compute())
    this.#identity.onChange(() => this.#status?.touch())
    await this.#connectivity?.start()
  }

  async #createIdentity({ name = this.#name, signal }: IdentityOptions = {}): Promise<{ phrase: string }> {
    const created = await this.#identity.create(name, { signal })
    await this.#begin({ signal })
    return created
  }

  async #recoverIdentity(phrase: string, { name = this.#name, signal }: IdentityOptions = {}): Promise<void> {
    await this.#identity.recover(phrase, name, { signal })
    await this.#begin({ signal })
  }

  async #invite({ lifetime, signal }: AbortOptions & { lifetime?: number } = {}): Promise<Invite> {
    const { user, keys } = this.#identity
    const connectivity = this.#online()
    const { invitations, network } = connectivity
    signal?.throwIfAborted()
    const ticket = invitations.create({
      user,
      inviter: keys.peer,
      addresses: network.addresses(),
      relays: [],
      lifetime,
    })
    const id = ticketId(ticket.secret)
    const ended = new AbortController()
    const paired = new Promise<DeviceId>((resolve) => {
      const stop = connectivity.onPaired((certificate, used) => {
        if (used === id) resolve(certificate.device)
      })
      ended.signal.addEventListener('abort', stop, { once: true })
    })
    const { clock } = this.#components
    clock.sleep(Math.max(0, ticket.expires - clock.now()), { signal: ended.signal }).then(
      () => ended.abort(new PeerfoldError('TICKET_EXPIRED', 'nobody used the ticket in time')),
      () => {},
    )
    const close = async (): Promise<void> => {
      invitations.withdraw(id)
      ended.abort(new PeerfoldError('CLOSED', 'the invitation was withdrawn'))
    }
    return {
      ticket: encodeTicket(ticket),
      url: encodeTicketLink(ticket),
      expires: new Date(ticket.expires),
      accepted: async (options) => {
        const signals = options?.signal === undefined ? [ended.signal] : [ended.signal, options.signal]
        const device = await raceSignal(paired, AbortSignal.any(signals))
        return this.#listDevices().find((listing) => listing.id === device) as DeviceListing
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  }

  async #join(text: string, { name = this.#name, signal }: IdentityOptions = {}): Promise<Workspace[]> {
    const ticket = decodeTicket(text)
    checkExpiry(ticket, this.#components.clock.now())
    if (this.#identity.hasIdentity) await this.#introduce(ticket, { signal })
    else await this.#pair(ticket, name, { signal })
    return this.#workspaces.all().map((workspace) => workspace.openFacade())
  }

  async #pair(ticket: Ticket, name: string, options: AbortOptions): Promise<void> {
    const { network, dialer } = this.#online()
    const { clock, crypto } = this.#components
    const store = async ({ entries, grants }: { entries: Uint8Array[]; grants: Uint8Array[] }) => {
      await this.#identity.adopt(ticket.user, entries)
      const inviter = this.#identity.byPeer(ticket.inviter)
      if (inviter !== undefined) await this.#workspaces.accept(inviter.certificate, grants)
    }
    await pair({ network, clock, crypto, ticket, secrets: this.#identity.secrets, name, store }, options)
    await this.#begin(options)
    dialer.learn(ticket.inviter, ticket.addresses)
  }

  /** A recovered device is certified by the phrase already: the ticket only shows the way. */
  async #introduce(ticket: Ticket, options: AbortOptions): Promise<void> {
    if (ticket.user !== this.#identity.user) this.#identity.throwIfExists()
    await this.#online().introduce(ticket.inviter, ticket.addresses, options)
    const granted = async (signal: AbortSignal) => {
      while (this.#workspaces.all().length === 0)
        await this.#components.clock.sleep(GRANT_LOOK_MS, { signal })
    }
    // A user without any workspace has none to grant.
    await withDeadline(this.#components.clock, GRANT_MS, 'waiting for workspaces', granted, options).catch(
      (error: unknown) => {
        if (!isPeerfoldError(error, 'TIMEOUT')) throw error
      },
    )
  }

  #listDevices(): DeviceListing[] {
    const { keys } = this.#identity
    return [...this.#identity.standings.values()].map(({ certificate: { device, name, peer }, state }) => ({
      id: device,
      name,
      peer,
      state,
      current: device === keys.device,
      connected: this.#presence.isConnected(device),
      lastSeen: this.#presence.lastSeen(device),
    }))
  }

  async #revoke(id: DeviceId, options?: AbortOptions): Promise<void> {
    const standing = this.#identity.standings.get(id)
    if (standing === undefined || standing.state !== 'active')
      throw new PeerfoldError('DEVICE_NOT_FOUND', `no active device ${id}`)
    await this.#identity.revoke(id, options)
    await this.#workspaces.rotateAll(options)
  }

  async #createFolder(
    name: string,
    directory: string,
    options?: AbortOptions,
  ): Promise<{ workspace: Workspace; folder: FolderSync }> {
    this.#identity.throwIfNone()
    const folders = this.#disk()
    await folders.check(directory)
    const created = await this.#workspaces.create(name, options)
    try {
      return { workspace: created.openFacade(), folder: await folders.add(created.id, directory, options) }
    } catch (error) {
      await this.#forget(created.id)
      throw error
    }
  }

  async #forget(id: WorkspaceId): Promise<void> {
    const workspace = this.#workspaces.find(id)
    await this.#folders?.remove(workspace.id)
    await this.#workspaces.forget(workspace.id)
    this.#status?.touch()
  }

  #disk(): Folders {
    if (this.#folders === undefined)
      throw new PeerfoldError('INVALID_ARGUMENT', 'this platform has no folders', {
        hint: 'Use the workspace itself.',
      })
    return this.#folders
  }

  #online(): Connectivity {
    if (this.#connectivity === undefined)
      throw new PeerfoldError('NO_PATH', 'this device was opened offline', {
        hint: 'Open it without `offline`.',
      })
    return this.#connectivity
  }

  #folderRests(id: WorkspaceId): boolean {
    const folder = this.#folders?.get(id)
    return folder === undefined || folder.status().state !== 'syncing'
  }

  async #close(): Promise<void> {
    await this.#folders?.close()
    await this.#status?.close()
    await this.#acknowledgements.close()
    await this.#workspaces.close()
    await this.#connectivity?.close()
    await this.#journal.close()
    await this.#components.crypto.close()
    await this.#components.home.close()
  }
}
